"""What text is: what looks the same is the same, and what nobody can see is refused by name."""

import unicodedata

import pytest
from marshmallow import ValidationError

from billor.api.fields import Identifier, Text
from billor.database.text import RefusedText, clean, clean_email, clean_identifier, normal_email

FORMS = {
    "Montre\u0301al": "Montr\u00e9al",
    " Dallas,\u00a0\t TX\r\n": "Dallas, TX",
    "Dallas\nTX\u2028\u3000": "Dallas TX",
    "\u212bngstr\u00f6m": "\u00c5ngstr\u00f6m",
    "\u1112\u1161\u11ab": "\ud55c",
    " \t\u3000": "",
}
NAMES = [
    *("O'Brien", "D\u2019Angelo", "Nguy\u1ec5n", "M\u00fcller-L\u00fcdenscheidt", "Łódź", "Þórður"),
    *("李", "ʻokina", "Владимир", "שָׁלוֹם", "مرحبا (بغداد)", "한국", "佐々木", "𠮷野家", "🚚", "🇺🇸"),
    *("نیک\u200cنام", "क्\u200cष", "മോഹന\u0d4d\u200d", "👩🏽\u200d✈\ufe0f"),
]
INVISIBLE = [
    *("\u200b", "\ufeff", "\u00ad", "\u202e", "\u2060", "\u061c", "\u3164", "\u115f", "\ufe0f"),
    *("\u034f", "\ufffc", "\u200d", "\u200c", "\0", "\x1b", "\x9f", "\ud800", "\u0378", "\ufdd0"),
    *("\ue000", "\U000e0041", "\U0010ffff"),
]


@pytest.mark.parametrize(("typed", "stored"), FORMS.items(), ids=map(ascii, FORMS))
def test_what_looks_the_same_is_the_same_text(typed, stored):
    assert clean(typed) == stored == clean(stored)


@pytest.mark.parametrize("name", NAMES, ids=map(ascii, NAMES))
def test_names_that_people_have_are_kept(name):
    assert clean(name) == unicodedata.normalize("NFC", name)


@pytest.mark.parametrize("char", INVISIBLE, ids=map(ascii, INVISIBLE))
def test_what_nobody_can_see_is_refused_by_name(char):
    with pytest.raises(RefusedText, match=f"U\\+{ord(char):04X}"):
        clean(f"a{char}b")


def test_lengths_count_in_the_stored_form_and_long_text_is_not_read():
    field = Text(max_length=10)
    assert field.deserialize("e\u0301" * 10) == "\u00e9" * 10
    assert field.deserialize(f"Dallas,{' ' * 1000}TX") == "Dallas, TX"
    for text in ("e\u0301" * 11, "x" * 11, "", "a" + "\u0301\u0323" * 250_000):
        with pytest.raises(ValidationError, match="Length must be between 1 and 10"):
            field.deserialize(text)


@pytest.mark.parametrize(
    "number", ["ZZ-1", "é 7", "京A12345", "АВ 1234", "서울12가3456", "٣٤", "№"]
)
def test_a_number_is_shown_as_typed(number):
    assert Identifier(max_length=64).deserialize(f" {number} ") == number


@pytest.mark.parametrize("number", ["-", "#", "🚚", ". /", "\u0301", "T\u0425-1", "\u0391B-1"])
def test_a_number_has_letters_or_digits_of_one_script(number):
    with pytest.raises(RefusedText, match=r"letter or a digit|mix letters of \w+ and \w+"):
        clean_identifier(number)


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        (" Dana@BILLOR.Example", "Dana@billor.example"),
        ("ｄana＠billor．example", "dana@billor.example"),
        ("dana@mu\u0308nchen.de", "dana@xn--mnchen-3ya.de"),
        ("дана@пример.рф", "дана@xn--e1afmkfd.xn--p1ai"),
        ("o'brien+loads@intranet.local", "o'brien+loads@intranet.local"),
    ],
)
def test_an_email_address_has_one_form(typed, stored):
    assert clean_email(typed) == normal_email(stored) == stored


@pytest.mark.parametrize(
    "address",
    [
        *("d\u0430na@billor.example", "dana@b\u0456llor.example", "dana\u200b@billor.example"),
        *("dana", "@billor.example", "dana@", "da na@billor.example", "dana@billor.example\x00"),
        *("Dana <d@b.de>", "dana@billor.example, eve@billor.example"),
        *('"\x01"@billor.example', '"da\\\x1bna"@billor.example', "dana@\ud800.example"),
    ],
)
def test_what_is_no_address_or_looks_like_another_is_refused(address):
    with pytest.raises(RefusedText):
        clean_email(address)
    assert normal_email(address) == address
