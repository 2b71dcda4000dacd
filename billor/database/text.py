"""Normalizes text, so that equal-looking texts are equal and no character is invisible.

Text is in NFC (Unicode Standard Annex 15), trimmed, and with single spaces. Which characters are
assigned depends on the Python version: 3.11 has Unicode 14.
"""

import re
import unicodedata
from urllib.parse import urlsplit

import email_validator
import phonenumbers
from email_validator import EmailNotValidError, validate_email
from phonenumbers import NumberParseException, PhoneNumberFormat, ValidationResult

MAX_EMAIL_LENGTH = 254  # RFC 5321
MAX_PARTS = 4  # how many characters NFC may compose into one: four for U+1F82

# Invisible letters and marks that Python considers printable.
EMPTY = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\ufe00-\ufe0f\uffa0\ufffc]")
# Joiners and variation selectors after non-Latin letters and emoji, where they change the look.
VISIBLE = re.compile(
    "(?<=[^\0-\u02ff\u200c\u200d])[\u200c\u200d]"
    "|(?<=[^\0-\u02ff\u200c\u200d\ufe00-\ufe0f])[\ufe00-\ufe0f\U000e0100-\U000e01ef]"
)
# What phones and word processors make of apostrophes and hyphens; searches fold them, too.
TYPED = str.maketrans(
    dict.fromkeys("\u00b4\u02bc\u2018\u2019\u201b\u2032", "'")
    | dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-")
)
# Scripts with similar letters. Others may be mixed with Latin ones: 李Lee.
ALIKE = {"LATIN", "CYRILLIC", "GREEK"}

# Deliverability is not checked; domains like `.local` and `.test` exist in private networks.
email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()


class RefusedText(ValueError):
    """The text is not acceptable. The message says why."""


def clean(text: str) -> str:
    """Return the text in its normal form. Raises `RefusedText` for invisible characters.

    Takes quadratic time for many accents on one letter, so limit the length first.
    """
    text = " ".join(text.split())
    if text.isascii() and text.isprintable():  # the common case
        return text
    text = unicodedata.normalize("NFC", text)
    for char in VISIBLE.sub("", text):
        if not char.isprintable() or EMPTY.match(char):
            name = f"U+{ord(char):04X} {unicodedata.name(char, '')}".rstrip()
            raise RefusedText(f"Must not contain {name}, which cannot be seen.")
    return text


def clean_url(text: str) -> str:
    """Return the URL of a server, unchanged. Raises `RefusedText` unless it is in ASCII."""
    try:
        parts = urlsplit(text)
        is_plain = "@" not in parts.netloc and parts.hostname and parts.port != 0
    except ValueError:  # no possible port or IPv6 address
        is_plain = False
    if not is_plain or not re.fullmatch("https?://[!-~]+", text):
        raise RefusedText("Must be a URL in ASCII, without a user, like https://a.example/hook.")
    return text


def clean_lines(text: str) -> str:
    """Return a text with its line breaks, each line in its normal form. Raises `RefusedText`."""
    return "\n".join(clean(line) for line in text.splitlines()).strip()


def clean_identifier(text: str) -> str:
    """Return a number, such as a license number, in its normal form. Raises `RefusedText`."""
    text = clean(text)
    same = unicodedata.normalize("NFKC", text)
    if text and not any(char.isalpha() or char.isdecimal() for char in same):
        raise RefusedText("Must have a letter or a digit.")
    _check_scripts(same)
    return text


def clean_email(text: str) -> str:
    """Return an email address in its normal form, the domain in lower-case ASCII (IDNA 2008)."""
    text = clean(unicodedata.normalize("NFKC", text.translate(TYPED)))
    try:
        address = validate_email(text, check_deliverability=False)
    except EmailNotValidError as error:
        raise RefusedText("Not a valid email address.") from error
    for part in (address.local_part, *address.domain.split(".")):
        _check_scripts(part)
    return f"{address.local_part}@{address.ascii_domain}"


def clean_phone(text: str, region: str) -> str:
    """Return a phone number in E.164, with `;ext=12` if it has an extension.

    One without a country's code is of the `region`. Raises `RefusedText` for the wrong number of
    digits; whether the number is in use is not checked: every year brings new area codes.
    """
    try:
        number = phonenumbers.parse(text, region)
        result = phonenumbers.is_possible_number_with_reason(number)
        is_whole = result == ValidationResult.IS_POSSIBLE
    except NumberParseException:
        is_whole = False
    if not is_whole:
        raise RefusedText(
            "Must be a phone number, with its area code, or with + and the code of its country: "
            "+1 214 555 0123."
        )
    extension = f";ext={number.extension}" if number.extension else ""
    return phonenumbers.format_number(number, PhoneNumberFormat.E164) + extension


def shown_phone(phone: str, region: str) -> str:
    """Return a `clean_phone` as people of the `region` write it."""
    number = phonenumbers.parse(phone)
    is_national = number.country_code == phonenumbers.country_code_for_region(region)
    form = PhoneNumberFormat.NATIONAL if is_national else PhoneNumberFormat.INTERNATIONAL
    return phonenumbers.format_number(number, form)


def normal_email(text: str) -> str:
    """Return an email address in its normal form, or the text if it is not valid."""
    try:
        return clean_email(text)
    except RefusedText:
        return text


def _check_scripts(text: str) -> None:
    scripts = {unicodedata.name(char, "").partition(" ")[0] for char in text if char.isalpha()}
    if len(mixed := scripts & ALIKE) > 1:
        names = " and ".join(sorted(script.title() for script in mixed))
        raise RefusedText(f"Must not mix letters of {names}: they look alike.")
