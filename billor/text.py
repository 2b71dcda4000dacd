"""What text is: one form for what looks the same, and no characters that nobody can see.

Text is in NFC (Unicode Standard Annex 15), trimmed, and white space in it is one space. Refused
are controls and line breaks, format characters, characters that look empty, code points that are
unassigned, private or no characters, and surrogates. Joiners, variation selectors and tags are text
where they change what is shown: in Persian, in the scripts of India, in emoji and ideographs.

Which code points are assigned depends on Python: 3.11 knows Unicode 14.
"""

import re
import unicodedata

import idna

LINE_BREAKS = "\n\v\f\r\x85"
SEPARATORS = "\t \u00a0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(
    map(chr, range(0x2000, 0x200B))
)
# At the ends of a text line breaks are white space, as in a cell that was copied.
WHITE_SPACE = SEPARATORS + LINE_BREAKS
SPACE = re.compile(f"[{SEPARATORS}]+")

# Letters, marks and symbols without a picture. Python takes them for printable.
LOOKS_EMPTY = (
    "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\ufffc"
    "\U00013441\U00013442\U00016fe4\U0001d159\U000e0100-\U000e01ef"
)
EMPTY = re.compile(f"[{LOOKS_EMPTY}]")

NON_JOINER, JOINER = "\u200c", "\u200d"
OF_EMOJI = "\ufe0e\ufe0f"
OF_IDEOGRAPHS = re.compile("[\ufe00-\ufe02\U000e0100-\U000e01ef]")
OF_MONGOLIAN = "\u180b\u180c\u180d\u180e\u180f"
KEYCAP = "\u20e3"
# The flags of England, Scotland and Wales: a black flag, and tags that nobody sees alone. These are
# all the emoji with tags (Unicode Technical Standard 51).
FLAG = re.compile(
    "\U0001f3f4\U000e0067\U000e0062"
    "(?:\U000e0065\U000e006e\U000e0067|\U000e0073\U000e0063\U000e0074|\U000e0077\U000e006c\U000e0073)"
    "\U000e007f"
)
SMALL_PICTURES = "\u00a9\u00ae\u203c\u2049\u2122\u2139"
VIRAMA = 9
"""The combining class of a sign that joins the consonants of a script of India."""

# Composition shortens text to a quarter at most: U+1F82 has four parts.
MOST_PARTS = 4

LETTERS = ("Lu", "Ll", "Lt", "Lo")
KINDS = {
    "Cc": "a control character",
    "Cf": "an invisible format character",
    "Cn": "which is not assigned",
    "Co": "a private-use character",
    "Cs": "a lone surrogate",
}
# Scripts that are written together (Unicode Technical Standard 39, "Highly Restrictive").
WRITTEN_TOGETHER = (
    {"LATIN", "CJK", "HIRAGANA", "KATAKANA"},
    {"LATIN", "CJK", "BOPOMOFO"},
    {"LATIN", "CJK", "HANGUL"},
)


class RefusedText(ValueError):
    """Text with something in it that is refused. The message names it."""


def fold_space(text: str) -> str:
    """Return the text trimmed, with one space for all white space between others."""
    text = text.strip(WHITE_SPACE)
    is_folded = text.isascii() and "  " not in text and "\t" not in text  # as nearly all is
    return text if is_folded else SPACE.sub(" ", text)


def normal(text: str) -> str:
    """Return the text in its one form, with whatever is in it.

    The time grows with the square of the number of accents on one letter: bound the length.
    """
    text = fold_space(text)
    return text if text.isascii() else unicodedata.normalize("NFC", _without_idle_joiners(text))


def first_refused(text: str) -> int | None:
    """Return the place in a normal text of the first character that is refused there."""
    if text.isprintable() and (text.isascii() or not EMPTY.search(text)):
        return None
    refused = (
        place
        for place, char in enumerate(text)
        if (not char.isprintable() or EMPTY.match(char)) and not _changes_what_is_seen(text, place)
    )
    return next(refused, None)


def clean(text: str) -> str:
    """Return the text in its one form, as `normal` does. Raises `RefusedText`."""
    text = normal(text)
    if (place := first_refused(text)) is not None:
        raise RefusedText(f"Must not contain {_described(text[place])}.")
    return text


def compatible(text: str) -> str:
    """Return the text in NFKC, in which full-width and ordinary letters are the same.

    Raises `RefusedText`.
    """
    return clean(unicodedata.normalize("NFKC", text))


def is_letter_or_digit(char: str) -> bool:
    """Return whether a character counts in a number such as that of a license.

    Modifier letters do not: they look like punctuation.
    """
    category = unicodedata.category(char)
    return (category in LETTERS or category[0] == "N") and not EMPTY.match(char)


def mixed_scripts(text: str) -> list[str]:
    """Return the scripts whose letters the text has, if they are not written together."""
    found = {_script(char) for char in text if unicodedata.category(char) in LETTERS}
    if len(found) < 2 or any(found <= together for together in WRITTEN_TOGETHER):
        return []
    return sorted(script.title() for script in found)


def check_scripts(text: str) -> None:
    """Raise `RefusedText` if the text mixes scripts: their letters look alike."""
    if scripts := mixed_scripts(text):
        raise RefusedText(f"Must not mix letters of {' and '.join(scripts)}: they look alike.")


def _script(letter: str) -> str:
    """Return the script of a letter: Unicode's names begin with it."""
    return unicodedata.name(letter, "UNKNOWN").partition(" ")[0].partition("-")[0]


def _described(char: str) -> str:
    """Return a character's code point, its name if it has one, and why it is refused."""
    name = f"U+{ord(char):04X} {unicodedata.name(char, '')}".rstrip()
    if char in LINE_BREAKS:
        return f"{name}, a line break"
    return f"{name}, {KINDS.get(unicodedata.category(char), 'which looks empty')}"


def _changes_what_is_seen(text: str, place: int) -> bool:
    char, before, after = text[place], text[:place][-1:], text[place + 1 :][:1]
    if char in (NON_JOINER, JOINER):
        return bool(before) and (
            _is_virama(before)
            or (_is_virama(after) and before.isalpha())
            or _prevents_a_join(text, place)
            or (char == JOINER and _joins_pictures(text[:place], after))
        )
    if _named(char, ("TAG ", "CANCEL TAG")):
        return any(flag.start() < place < flag.end() for flag in FLAG.finditer(text))
    if char in OF_EMOJI and _is_picture(before):
        return True
    if char in OF_EMOJI and before.isascii() and before in "0123456789#*":
        return bool(before) and after == KEYCAP
    if OF_IDEOGRAPHS.match(char):
        return _named(before, "CJK UNIFIED IDEOGRAPH")
    return char in OF_MONGOLIAN and _named(before, "MONGOLIAN LETTER")


def _is_virama(char: str) -> bool:
    return unicodedata.combining(char or " ") == VIRAMA


def _prevents_a_join(text: str, place: int) -> bool:
    """Return whether the letters would join without a ZWNJ at this place (RFC 5892, A.1)."""
    nearby = text[max(0, place - 8) : place + 8]
    if "Cn" in map(unicodedata.category, nearby):  # which `idna` does not take
        return False
    return idna.core.valid_contextj(nearby, min(place, 8))


def _without_idle_joiners(text: str) -> str:
    """Leave out each ZWNJ between letters of Arabic script that do not join anyway."""
    if NON_JOINER not in text:
        return text
    return "".join(char for place, char in enumerate(text) if not _is_idle(text, place))


def _is_idle(text: str, place: int) -> bool:
    around = text[max(0, place - 1) : place + 2]
    return (
        text[place] == NON_JOINER
        and len(around) == 3
        and _named(around[0], "ARABIC LETTER")
        and _named(around[2], "ARABIC LETTER")
        and not _prevents_a_join(text, place)
    )


def _joins_pictures(before: str, after: str) -> bool:
    """Return whether a ZWJ makes one emoji, as that of a family, of those around it."""
    before = before.rstrip("\ufe0f\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff")
    return _is_picture(before[-1:]) and _is_picture(after)


def _is_picture(char: str) -> bool:
    """Return whether a character may be an emoji: Python does not tell which are."""
    if not char or char == "\u2800":
        return False
    if char < "\u2190":
        return char in SMALL_PICTURES
    return char in "\u3030\u303d" or unicodedata.category(char) in ("So", "Sm")


def _named(char: str, name: str | tuple[str, ...]) -> bool:
    """Return whether Unicode's name of a character begins with a name, or one of several."""
    return bool(char) and unicodedata.name(char, "").startswith(name)
