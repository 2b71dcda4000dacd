"""Email addresses in one form: what one mailbox is called, whoever typed it."""

import email_validator
from email_validator import EmailNotValidError, validate_email

from billor.text import RefusedText, check_scripts, compatible

MAX_LENGTH = 254
"""Of an address, in mail (RFC 5321)."""

# Whether mail arrives is not asked; names like `.local` and `.test` are for networks of their own.
email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()


def read_address(text: str) -> str:
    """Return an email address in its one form, the domain in ASCII and lower case (IDNA 2008).

    Raises `RefusedText` if it is none, or mixes scripts in the local part or in one label.
    """
    text = compatible(text)
    try:
        address = validate_email(text, check_deliverability=False)
    except EmailNotValidError as error:
        raise RefusedText("Not a valid email address.") from error
    for part in (address.local_part, *address.domain.split(".")):
        check_scripts(part)
    return f"{address.local_part}@{address.ascii_domain}"


def stored_address(text: str) -> str:
    """Return what an address is stored as, which may be from before it would be refused.

    Raises `RefusedText` for what is not even text.
    """
    try:
        return read_address(text)
    except RefusedText:
        return compatible(text)
