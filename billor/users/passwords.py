"""Passwords: hashed with Argon2id, at the strength of OWASP's Password Storage Cheat Sheet.

New ones are refused for their length or because they are among the commonest, and for nothing else.
Keyboards differ in how they write one character, so passwords are compared in NFKC. Both are of
NIST SP 800-63B, section 3.1.1.
"""

from functools import cache
from unicodedata import normalize

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from billor.blocking import in_thread

_hasher = PasswordHasher(memory_cost=19 * 1024, time_cost=2, parallelism=1)

MIN_LENGTH = 8


def is_common(password: str) -> bool:
    """Return whether the password, in any case, is one of the commonest of leaked ones."""
    return _normalized(password).casefold() in _common_passwords()


@cache
def _common_passwords() -> frozenset[str]:
    # Imported when first needed: with it come the package's other lists, 14 MB.
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    return frozenset(word for word in FREQUENCY_LISTS["passwords"] if len(word) >= MIN_LENGTH)


@in_thread
def hash_password(password: str) -> str:
    """Return a salted hash in PHC string format."""
    return _hasher.hash(_normalized(password))


@in_thread
def password_matches(password_hash: str | None, password: str) -> bool:
    """Return whether the password is the hashed one.

    Without a hash it never is, after the same time.
    """
    nobodys_hash = _nobodys_hash()
    forms = {_normalized(password), password}  # hashes from before are of what was typed
    matches = any(_verifies(password_hash or nobodys_hash, form) for form in forms)
    return matches and password_hash is not None


@cache
def _nobodys_hash() -> str:
    """Return what an unknown user's password is checked against, so that it takes as long."""
    return _hasher.hash("nobody")


def _verifies(password_hash: str, password: str) -> bool:
    try:
        return _hasher.verify(password_hash, password)
    except VerifyMismatchError:
        return False


def _normalized(password: str) -> str:
    return normalize("NFKC", password)
