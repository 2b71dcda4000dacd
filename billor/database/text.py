"""Text in one form: what looks the same is the same, and nothing in it is invisible.

Text is in NFC (Unicode Standard Annex 15) and trimmed, and white space in it is one space. Which
characters are assigned depends on Python: 3.11 knows Unicode 14.
"""

import re
import unicodedata

import email_validator
from email_validator import EmailNotValidError, validate_email

MAX_EMAIL_LENGTH = 254  # RFC 5321
MAX_PARTS = 4
"""How many characters NFC may make one of: U+1F82 has four parts."""

# Letters and marks without a picture, which Python takes for printable.
EMPTY = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\ufe00-\ufe0f\uffa0\ufffc]")
# What changes the look of letters other than Latin ones, and of emoji: joiners, and selectors of
# one of their forms.
VISIBLE = re.compile(
    "(?<=[^\0-\u02ff\u200c\u200d])[\u200c\u200d]"
    "|(?<=[^\0-\u02ff\u200c\u200d\ufe00-\ufe0f])[\ufe00-\ufe0f\U000e0100-\U000e01ef]"
)
# Their letters look alike. Others are written together with Latin ones: 李Lee.
ALIKE = {"LATIN", "CYRILLIC", "GREEK"}

# Whether mail arrives is not asked; names like `.local` and `.test` are for networks of their own.
email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()


class RefusedText(ValueError):
    """Text with something in it that is refused. The message names it."""


def clean(text: str) -> str:
    """Return the text in its one form. Raises `RefusedText` for invisible characters.

    The time grows with the square of the number of accents on one letter: bound the length.
    """
    text = " ".join(text.split())
    if text.isascii() and text.isprintable():  # as nearly all is
        return text
    text = unicodedata.normalize("NFC", text)
    for char in VISIBLE.sub("", text):
        if not char.isprintable() or EMPTY.match(char):
            name = f"U+{ord(char):04X} {unicodedata.name(char, '')}".rstrip()
            raise RefusedText(f"Must not contain {name}, which cannot be seen.")
    return text


def clean_identifier(text: str) -> str:
    """Return a number such as that of a license in its one form. Raises `RefusedText`."""
    text = clean(text)
    same = unicodedata.normalize("NFKC", text)
    if text and not any(char.isalpha() or char.isdecimal() for char in same):
        raise RefusedText("Must have a letter or a digit.")
    _check_scripts(same)
    return text


def clean_email(text: str) -> str:
    """Return an email address in its one form, the domain in ASCII and lower case (IDNA 2008).

    Raises `RefusedText` if it is none.
    """
    text = clean(unicodedata.normalize("NFKC", text))
    try:
        address = validate_email(text, check_deliverability=False)
    except EmailNotValidError as error:
        raise RefusedText("Not a valid email address.") from error
    for part in (address.local_part, *address.domain.split(".")):
        _check_scripts(part)
    return f"{address.local_part}@{address.ascii_domain}"


def normal_email(text: str) -> str:
    """Return what an email address is stored as, or the text if it is none."""
    try:
        return clean_email(text)
    except RefusedText:
        return text


def _check_scripts(text: str) -> None:
    scripts = {unicodedata.name(char, "").partition(" ")[0] for char in text if char.isalpha()}
    if len(mixed := scripts & ALIKE) > 1:
        names = " and ".join(sorted(script.title() for script in mixed))
        raise RefusedText(f"Must not mix letters of {names}: they look alike.")
