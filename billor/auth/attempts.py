"""Rate limits of failed logins, for each address and each account.

They are counted in PostgreSQL, for all processes together, and for accounts that do not exist as
well (https://cheatsheetseries.owasp.org/cheatsheets/Authentication_Cheat_Sheet.html). Not in Redis:
the limit must hold while Redis is unavailable, and nobody logs in without PostgreSQL.
"""

import hmac
import math
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import timedelta
from ipaddress import IPv6Address, ip_address, ip_network

from flask import current_app
from sqlalchemy import case, delete, func, select
from sqlalchemy.dialects.postgresql import insert

from billor.database import execute_bulk, transaction
from billor.errors import AuthenticationFailed, TooManyAttempts
from billor.extensions import db
from billor.models import LoginAttempts

MAX_FAILURES = 20
WINDOW = timedelta(minutes=1)
LONGEST_ACCOUNT_WINDOW = timedelta(hours=1)
KNOWN_FOR = timedelta(days=90)
DELETE_BATCH_SIZE = 100
HOST_AND_PORT = re.compile(r"(?:\[(.+)\]|([\d.]+))(?::\d+)?")
"""As some proxies forward addresses; the host is in one of the two groups."""


@contextmanager
def counted_attempt(email: str, address: str) -> Iterator[None]:
    """Count the login in this block as failed if it ends in `AuthenticationFailed`.

    It counts from the start, before a password is looked at, so that many at once cannot slip
    through, and is taken back at any other end. Raises `TooManyAttempts` when failures and logins
    in progress are past the limit: that of the address or of the account, or, where the account
    has logged in from this address before, only the one of both together, which strangers
    elsewhere do not reach.
    """
    network = client_network(address)
    with transaction():
        account = db.session.scalars(select(func.lower(email))).one()  # as users are found
        both = _private_key("known", account, network)
        if _is_known(both):
            keys = {both: WINDOW}
        else:
            keys = {
                _private_key("account", account): LONGEST_ACCOUNT_WINDOW,
                f"address {network}": WINDOW,
            }
        remaining = _count(keys)
    if remaining is not None:
        _take_back(keys)
        raise TooManyAttempts(retry_after=max(1, math.ceil(remaining)))
    try:
        yield
    except AuthenticationFailed:
        raise
    except BaseException:
        _take_back(keys)
        raise
    _take_back(keys, known=both)


def client_network(address: str) -> str:
    """Return what counts as one address: an IPv4 address, or the /64 network of an IPv6 address.

    Whoever has one IPv6 address has at least that network (RFC 6177). A port never counts. What
    is no address at all is `unknown`.
    """
    match = HOST_AND_PORT.fullmatch(address)
    try:
        parsed = ip_address((match[1] or match[2]) if match else address)
    except ValueError:
        return "unknown"
    if isinstance(parsed, IPv6Address):
        return str(parsed.ipv4_mapped or ip_network((int(parsed), 64), strict=False))
    return str(parsed)


def _private_key(kind: str, *values: str) -> str:
    """Return a key that does not tell the values to readers of the table."""
    secret = current_app.config["JWT_SECRET_KEY"].encode()
    digest = hmac.digest(secret, "\0".join((kind, *values)).encode(), "sha256")
    return f"{kind} {digest.hex()}"


def _is_known(key: str) -> bool:
    known = select(LoginAttempts).filter_by(key=key).where(~_is_expired())
    return db.session.scalars(select(known.exists())).one()


def _is_expired():
    return LoginAttempts.expires_at <= func.now()


def _count(keys: dict[str, timedelta]) -> float | None:
    """Count a failure for each of these keys, with the longest window of each.

    Return the seconds until none of them is over the limit, or None if none is. A window is
    twice as long as the last one, if that had failures and has not expired yet: else 19 of
    them a minute would go on for ever.
    """
    first = insert(LoginAttempts).values(
        [
            {
                "key": key,
                "failures": 1,
                "window_length": WINDOW,
                "window_ends_at": func.now() + WINDOW,
                "expires_at": func.now() + WINDOW + longest,
            }
            for key, longest in sorted(keys.items())  # so that no two wait for each other
        ]
    )
    is_over = LoginAttempts.window_ends_at <= func.now()
    longest = first.excluded.expires_at - first.excluded.window_ends_at
    length = case(
        (_is_expired() | (LoginAttempts.failures == 0), first.excluded.window_length),
        else_=func.least(LoginAttempts.window_length + LoginAttempts.window_length, longest),
    )
    end = func.now() + length
    anew = {
        "failures": 1,
        "window_length": length,
        "window_ends_at": end,
        "expires_at": func.greatest(LoginAttempts.expires_at, end + longest),
    }
    same = {name: getattr(LoginAttempts, name) for name in anew} | {
        "failures": LoginAttempts.failures + 1
    }
    counted = first.on_conflict_do_update(
        index_elements=[LoginAttempts.key],
        set_={name: case((is_over, anew[name]), else_=same[name]) for name in anew},
    ).returning(
        LoginAttempts.failures,
        func.extract("epoch", LoginAttempts.window_ends_at - func.now()),
    )
    rows = db.session.execute(counted).all()
    if any(failures == 1 for failures, _ in rows):
        _delete_expired()
    return max((float(left) for failures, left in rows if failures > MAX_FAILURES), default=None)


def _take_back(keys: Collection[str], known: str | None = None) -> None:
    """Uncount a failure of each of these, and know the key `known` from now on."""
    rows = insert(LoginAttempts).values(
        [
            {
                "key": key,
                "failures": 0,
                "window_length": WINDOW,
                "window_ends_at": func.now(),
                "expires_at": func.now() + (KNOWN_FOR if key == known else timedelta()),
            }
            for key in sorted({*keys, known} if known else keys)
        ]
    )
    with transaction():
        db.session.execute(
            rows.on_conflict_do_update(
                index_elements=[LoginAttempts.key],
                set_={
                    "failures": func.greatest(LoginAttempts.failures - 1, 0),
                    "expires_at": func.greatest(LoginAttempts.expires_at, rows.excluded.expires_at),
                },
            )
        )


def _delete_expired() -> None:
    """Delete more expired rows than new ones begin, so that they do not pile up."""
    expired = (
        select(LoginAttempts.key)
        .where(_is_expired())
        .order_by(LoginAttempts.expires_at)
        .limit(DELETE_BATCH_SIZE)
        .with_for_update(skip_locked=True)
    )
    execute_bulk(delete(LoginAttempts).where(LoginAttempts.key.in_(expired.scalar_subquery())))
