"""Passwords: hashed with Argon2id, at the strength of OWASP's Password Storage Cheat Sheet.

A new password must not be too short, too long or too common; there are no other rules. Passwords
are compared in NFKC, since keyboards encode some characters differently. Both follow NIST SP
800-63B, section 3.1.1.
"""

from functools import cache
from unicodedata import normalize

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from billor.api.blocking import in_thread

_hasher = PasswordHasher(memory_cost=19 * 1024, time_cost=2, parallelism=1)

MIN_LENGTH = 8
# The most common leaked passwords, without those that are too short.
COMMON = frozenset(
    """
    password password1 password12 password123 passw0rd p@ssw0rd 12345678 123456789 1234567890
    123456789a 87654321 987654321 0123456789 147258369 123654789 789456123 11111111 00000000
    11223344 12344321 1234554321 12341234 123123123 88888888 qwertyui qwertyuiop qwerty12
    qwerty123 qwerty1234 q1w2e3r4 q1w2e3r4t5 1q2w3e4r 1q2w3e4r5t 1qaz2wsx 1qazxsw2 zaq12wsx
    qazwsxedc qweasdzxc 123qweasd 12qwaszx 1234qwer 12345qwert qwer1234 asdfghjk asdfghjkl asdfasdf
    asdf1234 abcd1234 abcdefgh abc12345 aa123456 a1234567 iloveyou iloveyou1 sunshine princess
    princess1 football football1 baseball baseball1 superman trustno1 starwars startrek computer
    internet whatever welcome1 welcome123 letmein1 changeme changeme1 admin123 admin1234
    administrator hello123 michael1 charlie1 jennifer samantha michelle mercedes corvette maverick
    steelers midnight mountain elephant dolphins minecraft pokemon1 liverpool cocacola jordan23
    slipknot scorpion garfield einstein godzilla blink182 platinum snowball nintendo explorer
    babygirl champion security scarface stargate infinity butterfly chocolate dragon123 monkey123
    master123 shadow123 summer2024 winter2024 truckdriver billor123
    """.split()  # noqa: SIM905 - a list of words
)


def is_common(password: str) -> bool:
    """Return whether the password, in any case, is one of the most common."""
    return _normalized(password).casefold() in COMMON


@in_thread
def hash_password(password: str) -> str:
    return _hasher.hash(_normalized(password))


@in_thread
def password_matches(password_hash: str | None, password: str) -> bool:
    """Return whether the password matches. Without a hash it takes as long, and returns False."""
    try:
        matches = _hasher.verify(password_hash or _dummy_hash(), _normalized(password))
    except VerifyMismatchError:
        return False
    return matches and password_hash is not None


@cache
def _dummy_hash() -> str:
    return _hasher.hash("dummy")


def _normalized(password: str) -> str:
    return normalize("NFKC", password)
