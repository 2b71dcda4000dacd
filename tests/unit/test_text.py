"""What text is: what looks the same is the same, and what nobody can see is refused by name."""

import time
import unicodedata

import pytest
from marshmallow import ValidationError

from billor.emails import read_address, stored_address
from billor.http.fields import EmailAddress, Identifier, Text
from billor.text import RefusedText, clean, compatible, mixed_scripts

FOLDED = {
    "Montre\u0301al": "Montr\u00e9al",
    "Dallas,  TX": "Dallas, TX",
    "Dallas,\u00a0TX": "Dallas, TX",
    "Dallas,\tTX": "Dallas, TX",
    " \u2003Dallas,\u2009\u202f\u3000TX\u00a0\r\n": "Dallas, TX",
    "a\u1680b\u2000c\u2028d\u2029e\u205ff": "a b c d e f",
    "\u212bngstr\u00f6m": "\u00c5ngstr\u00f6m",
    "\u1112\u1161\u11ab": "\ud55c",
    # Both letters do not join anyway: the ZWNJ shows nothing.
    "میر\u200cحسین": "میرحسین",
    " \t\n": "",
    "\u3000\u2028": "",
}
NAMES = [
    *("O'Brien", "D\u2019Angelo", "Nguyễn", "Müller-Lüdenscheidt", "李", "Ərtoğrul", "Łódź"),
    *("ʻokina", "Ng\u0169gĩ wa Thiong'o", "María José", "Σωκράτης", "Þórður", "Владимир", "თამარ"),
    *("שָׁלוֹם", "مرحبا (بغداد)", "ไทย", "한국", "さくら", "佐々木", "𠮷野家", "አበበ", "b\u0331"),
    # ZWNJ in Persian; after and before a virama in the scripts of India, and ZWJ there.
    *("نیک\u200cنام", "علی\u200cاکبر", "क्\u200cष", "क्\u200dष", "ර්\u200dය", "ශ්\u200dරී"),
    *("മോഹന\u0d4d\u200d", "র\u200d্যাব", "ಕ್\u200cರ"),
    # Emoji of several; ideographs in a form of their own; Mongolian.
    *("👨\u200d👩\u200d👧", "👩🏽\u200d✈\ufe0f", "❤\ufe0f", "❤\ufe0f\u200d🔥", "🏳\ufe0f\u200d🌈"),
    *("1\ufe0f\u20e3", "🇺🇸", "🙂\u200d↔\ufe0f", "™\ufe0f", "🚚", "渡邉\U000e0102", "ᠠ\u180e"),
]
REFUSED = {
    "ZZ-1\u200b": "U+200B ZERO WIDTH SPACE",
    "\ufeffDallas": "U+FEFF ZERO WIDTH NO-BREAK SPACE",
    "a\u00adb": "U+00AD SOFT HYPHEN",
    "Alex \u202eretraC": "U+202E RIGHT-TO-LEFT OVERRIDE",
    "a\u2060b": "U+2060 WORD JOINER",
    "a\u2063b": "U+2063 INVISIBLE SEPARATOR",
    "a\u061cb": "U+061C ARABIC LETTER MARK",
    "x\U000e0041": "U+E0041 TAG LATIN CAPITAL LETTER A",
    "\u3164": "U+3164 HANGUL FILLER",
    "a\u115fb": "U+115F HANGUL CHOSEONG FILLER",
    "a\u1160b": "U+1160 HANGUL JUNGSEONG FILLER",
    "\uffa0": "U+FFA0 HALFWIDTH HANGUL FILLER",
    "\u2800": "U+2800 BRAILLE PATTERN BLANK",
    "a\u034fb": "U+034F COMBINING GRAPHEME JOINER",
    "a\u17b4": "U+17B4 KHMER VOWEL INHERENT AQ",
    "a\ufffcb": "U+FFFC OBJECT REPLACEMENT CHARACTER",
    "\U0001d159": "U+1D159 MUSICAL SYMBOL NULL NOTEHEAD",
    "a\ufe0f": "U+FE0F VARIATION SELECTOR-16",
    "\ufe0f": "U+FE0F VARIATION SELECTOR-16",
    "1\ufe0f": "U+FE0F VARIATION SELECTOR-16",
    "李\ufe0f": "U+FE0F VARIATION SELECTOR-16",
    "a\U000e0100": "U+E0100 VARIATION SELECTOR-17",
    "a\u180b": "U+180B MONGOLIAN FREE VARIATION SELECTOR ONE",
    # Joiners where they join nothing.
    "a\u200db": "U+200D ZERO WIDTH JOINER",
    "a\u200cb": "U+200C ZERO WIDTH NON-JOINER",
    "\u200da": "U+200D ZERO WIDTH JOINER",
    "\u200c": "U+200C ZERO WIDTH NON-JOINER",
    "نام\u200c": "U+200C ZERO WIDTH NON-JOINER",
    "ن\u200c\u200cن": "U+200C ZERO WIDTH NON-JOINER",
    "ب\u200dب": "U+200D ZERO WIDTH JOINER",
    "क\u200d": "U+200D ZERO WIDTH JOINER",
    "🚚\u200d": "U+200D ZERO WIDTH JOINER",
    "\u00b0\u200d\u00b0": "U+200D ZERO WIDTH JOINER",
    "a\x00b": "U+0000, a control character",
    "\x1b[31m": "U+001B, a control character",
    "a\x1fb": "U+001F, a control character",
    "\x1fa": "U+001F, a control character",
    "a\x9fb": "U+009F, a control character",
    "a\nb": "U+000A, a line break",
    "a\r\nb": "U+000D, a line break",
    "a\x85b": "U+0085, a line break",
    "\ud800": "U+D800, a lone surrogate",
    "a\udfffb": "U+DFFF, a lone surrogate",
    "\u0378": "U+0378, which is not assigned",
    "\ufdd0": "U+FDD0, which is not assigned",
    "\U0010ffff": "U+10FFFF, which is not assigned",
    "\ue000": "U+E000, a private-use character",
    "\U0010fffd": "U+10FFFD, a private-use character",
}


@pytest.mark.parametrize(("typed", "stored"), FOLDED.items(), ids=map(ascii, FOLDED))
def test_what_looks_the_same_is_the_same_text(typed, stored):
    assert clean(typed) == stored
    assert clean(stored) == stored


@pytest.mark.parametrize("name", NAMES, ids=map(ascii, NAMES))
def test_names_that_people_have_are_kept(name):
    assert clean(name) == unicodedata.normalize("NFC", name)


@pytest.mark.parametrize(("text", "named"), REFUSED.items(), ids=map(ascii, REFUSED))
def test_what_nobody_can_see_is_refused_by_name(text, named):
    with pytest.raises(RefusedText, match=f"Must not contain {named}".replace("+", "\\+")):
        clean(text)


def is_format(char: str) -> bool:
    return unicodedata.category(char) == "Cf"


def test_no_control_format_private_or_unassigned_character_is_text():
    others = [char for char in map(chr, range(0x110000)) if unicodedata.category(char)[0] == "C"]
    assert len(others) > 900_000
    accepted = []
    for char in [*filter(str.isascii, others), *others[100::97], *filter(is_format, others)]:
        try:
            clean(f"a{char}b")
        except RefusedText:
            continue
        accepted.append(char)
    assert accepted == ["\t"], "which is white space"


def test_lengths_count_in_the_stored_form():
    field = Text(max_length=10)
    assert field.deserialize("e\u0301" * 10) == "\u00e9" * 10
    assert field.deserialize(f"Dallas,{' ' * 1000}TX") == "Dallas, TX"
    assert field.deserialize("\u03b1\u0313\u0300\u0345" * 10) == "\u1f82" * 10
    for text in ("e\u0301" * 11, "x" * 11, "\u0958" * 6, ""):
        with pytest.raises(ValidationError, match="Length must be between 1 and 10"):
            field.deserialize(text)


@pytest.mark.parametrize("field", [Text(max_length=200), Identifier(max_length=64), EmailAddress()])
@pytest.mark.parametrize(
    "text",
    [
        f"a{' ' * 500_000}b",
        "a" + "\u0301\u0323" * 250_000,
        "\u200c" * 500_000,
        f"{'x' * 500_000}@billor.example",
        "\u0646\u200c" * 250_000,
    ],
    ids=["spaces", "accents", "joiners", "letters", "Persian"],
)
def test_a_long_text_is_read_quickly(field, text):
    started = time.thread_time()
    try:
        field.deserialize(text)
    except ValidationError as error:
        assert error.messages  # noqa: PT017
    assert time.thread_time() - started < 1


# Numbers

GOOD_NUMBERS = [
    "ZZ-1",
    "é 7",
    "京A12345",
    "АВ 1234",
    "서울12가3456",
    "٣٤",
    "ＴＸ－１",
    "品川 あ 12-34",
    "№",
]
MIXED = {
    "T\u0425-1": "Cyrillic and Latin",
    "\u0391B-1": "Greek and Latin",
    "\u0410\u0391": "Cyrillic and Greek",
}


@pytest.mark.parametrize("number", GOOD_NUMBERS)
def test_a_number_is_shown_as_typed(number):
    assert Identifier(max_length=64).deserialize(f" {number} ") == number


@pytest.mark.parametrize("number", ["-", "#", "🚚", ". /", "\u02bc", "\u0301"])
def test_a_number_needs_a_letter_or_a_digit(number):
    with pytest.raises(ValidationError, match="Must have a letter or a digit"):
        Identifier(max_length=64).deserialize(number)


@pytest.mark.parametrize(("number", "scripts"), MIXED.items(), ids=map(ascii, MIXED))
def test_a_number_does_not_mix_scripts(number, scripts):
    with pytest.raises(ValidationError, match=f"Must not mix letters of {scripts}"):
        Identifier(max_length=64).deserialize(number)


def test_scripts_that_are_written_together_do_not_count_as_mixed():
    for text in ("東京タワー", "お茶 Tea", "李Lee", "서울 漢城", "Ünï", "１２ab", "", "👩 a"):
        assert mixed_scripts(compatible(text)) == []


# Email addresses

ADDRESSES = {
    "Dana@BILLOR.Example": "Dana@billor.example",
    " dana@billor.example\u00a0": "dana@billor.example",
    "ｄana＠billor．example": "dana@billor.example",
    "dana@billor\u3002example": "dana@billor.example",
    "dana@M\u00dcNCHEN.de": "dana@xn--mnchen-3ya.de",
    "dana@mu\u0308nchen.de": "dana@xn--mnchen-3ya.de",
    "dana@XN--MNCHEN-3YA.de": "dana@xn--mnchen-3ya.de",
    "dana@stra\u00dfe.de": "dana@xn--strae-oqa.de",
    "jose\u0301@billor.example": "jos\u00e9@billor.example",
    "дана@пример.рф": "дана@xn--e1afmkfd.xn--p1ai",
    "用户@例え.jp": "用户@xn--r8jz45g.jp",
    "o'brien+loads@sub.billor.example": "o'brien+loads@sub.billor.example",
    "dana@intranet.local": "dana@intranet.local",
}
NO_ADDRESSES = {
    "d\u0430na@billor.example": "mix letters of Cyrillic and Latin",
    "dana@b\u0456llor.example": "mix letters of Cyrillic and Latin",
    "dana@xn--bllor-n2e.example": "mix letters of Cyrillic and Latin",
    "d\u03b1na@billor.example": "mix letters of Greek and Latin",
    "dana@paypa\u04cf.com": "mix letters of Cyrillic and Latin",
    "dana\u200b@billor.example": r"U\+200B ZERO WIDTH SPACE",
    "dana@bil\u00adlor.example": r"U\+00AD SOFT HYPHEN",
    "da\u034fna@billor.example": r"U\+034F COMBINING GRAPHEME JOINER",
    "dana\u200d@billor.example": r"U\+200D ZERO WIDTH JOINER",
    "dana": "Not a valid email address",
    "dana@billor": "Not a valid email address",
    '"da na"@billor.example': "Not a valid email address",
    "Dana <dana@billor.example>": "Not a valid email address",
    "dana@[192.0.2.1]": "Not a valid email address",
}


@pytest.mark.parametrize(("typed", "stored"), ADDRESSES.items(), ids=map(ascii, ADDRESSES))
def test_an_email_address_has_one_form(typed, stored):
    assert read_address(typed) == stored
    assert stored_address(typed) == stored_address(stored) == stored


@pytest.mark.parametrize(("typed", "reason"), NO_ADDRESSES.items(), ids=map(ascii, NO_ADDRESSES))
def test_an_address_that_looks_like_another_is_refused(typed, reason):
    with pytest.raises(RefusedText, match=reason):
        read_address(typed)
