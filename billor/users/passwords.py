"""Password hashing with Argon2id, at the strength of OWASP's Password Storage Cheat Sheet."""

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from billor.blocking import in_thread

_hasher = PasswordHasher(memory_cost=19 * 1024, time_cost=2, parallelism=1)
# An unknown user's password is checked against this, so that the response takes as long.
_NOBODYS_HASH = _hasher.hash("nobody")


@in_thread
def hash_password(password: str) -> str:
    """Return a salted hash in PHC string format."""
    return _hasher.hash(password)


@in_thread
def password_matches(password_hash: str | None, password: str) -> bool:
    """Return whether the password is the hashed one.

    Without a hash it never is, after the same time.
    """
    try:
        _hasher.verify(password_hash or _NOBODYS_HASH, password)
    except VerifyMismatchError:
        return False
    return password_hash is not None
