"""What text is: what looks the same is the same, and what nobody can see is refused by name."""

import unicodedata

import pytest
from marshmallow import ValidationError

from billor.api.fields import Text
from billor.database.text import (
    RefusedText,
    clean,
    clean_email,
    clean_identifier,
    clean_phone,
    normal_email,
    shown_phone,
)

FORMS = {
    "Montre\u0301al": "Montr\u00e9al",
    " Dallas,\u00a0\t TX\r\n": "Dallas, TX",
    "Dallas\nTX\u2028\u3000": "Dallas TX",
    "\u212bngstr\u00f6m": "\u00c5ngstr\u00f6m",
    " \t\u3000": "",
}
NAMES = [
    *("O'Brien", "D\u2019Angelo", "Nguy\u1ec5n", "M\u00fcller-L\u00fcdenscheidt", "Łódź", "Þórður"),
    *("李", "ʻokina", "Владимир", "שָׁלוֹם", "مرحبا (بغداد)", "한국", "佐々木", "𠮷野家", "🚚", "🇺🇸"),
    *("نیک\u200cنام", "क्\u200cष", "മോഹന\u0d4d\u200d", "👩🏽\u200d✈\ufe0f"),
]
# By what is typed in the US: as it is stored, and as it is shown there.
PHONES = {
    "214-555-0123": ("+12145550123", "(214) 555-0123"),
    "1 (555) 555.0199": ("+15555550199", "(555) 555-0199"),
    "\u202a+1\u00a0214\u2011555\u20110123\u202c": ("+12145550123", "(214) 555-0123"),
    "(214) 555-0123 x12": ("+12145550123;ext=12", "(214) 555-0123 ext. 12"),
    "011 52 55 5555 0123": ("+525555550123", "+52 55 5555 0123"),
}
NO_PHONES = [
    *("", "call me", "555-0123", "911", "214 555 012", "214 555 0123 0", "+999 214 555 0123"),
    *("214-555-0123 / 214-555-0199", "214-555-0123 (Alex)", "\0", "\ud800", "5" * 300),
]
INVISIBLE = [
    *("\u200b", "\ufeff", "\u00ad", "\u202e", "\u2060", "\u061c", "\u3164", "\u115f", "\ufe0f"),
    *("\u034f", "\ufffc", "\u200d", "\u200c", "\0", "\x1b", "\x9f", "\ud800", "\u0378", "\ufdd0"),
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


@pytest.mark.parametrize("typed", PHONES, ids=ascii)
def test_a_phone_number_is_stored_as_it_is_dialled_and_shown_as_it_is_written(typed):
    stored = clean_phone(typed, "US")
    assert (stored, shown_phone(stored, "US")) == PHONES[typed]


@pytest.mark.parametrize("text", NO_PHONES, ids=lambda text: ascii(text[:30]))
def test_what_nobody_can_dial_is_no_phone_number(text):
    with pytest.raises(RefusedText, match="with its area code"):
        clean_phone(text, "US")


def test_a_phone_number_without_a_code_is_of_the_region():
    assert clean_phone("55 5555 0123", "MX") == "+525555550123"
    assert shown_phone("+525555550123", "MX") == "55 5555 0123"
    assert shown_phone("+12145550123", "MX") == "+1 214-555-0123"


@pytest.mark.parametrize("number", ["-", "#", "🚚", ". /", "\u0301", "T\u0425-1", "\u0391B-1"])
def test_a_number_has_letters_or_digits_of_one_script(number):
    with pytest.raises(RefusedText, match=r"letter or a digit|mix letters of \w+ and \w+"):
        clean_identifier(number)


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
