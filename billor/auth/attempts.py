"""Rate limits of failed logins, per address and per account.

The counters are in PostgreSQL, shared by all processes, and cover unknown accounts, too
(https://cheatsheetseries.owasp.org/cheatsheets/Authentication_Cheat_Sheet.html). Not in Redis:
the limits must hold while Redis is unavailable, and a login needs PostgreSQL anyway.
"""

import hmac
import math
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import timedelta
from ipaddress import IPv6Address, ip_address, ip_network

from flask import current_app
from sqlalchemy import case, delete, false, func, select, update
from sqlalchemy.dialects.postgresql import insert

from billor.database import execute, execute_bulk, table, transaction
from billor.errors import AuthenticationFailed, TooManyAttempts
from billor.events.event import EventType
from billor.extensions import db
from billor.models import LoginAttempts
from billor.users.service import find_user, record_account

MAX_FAILURES = 20
WINDOW = timedelta(minutes=1)
LONGEST_ACCOUNT_WINDOW = timedelta(hours=1)
KNOWN_FOR = timedelta(days=90)
DELETE_BATCH_SIZE = 100
LIMITS = {"account": "account", "address": "address", "known": "account_at_address"}
"""By the kind of a key, the limit's name in the audit trail."""
# An address as some proxies forward it; the host is in one of the two groups.
HOST_AND_PORT = re.compile(r"(?:\[(.+)\]|([\d.]+))(?::\d+)?")


@contextmanager
def counted_attempt(email: str, address: str) -> Iterator[None]:
    """Count the login in this block as failed if it ends in `AuthenticationFailed`.

    It is counted before the password is checked, so that concurrent logins cannot bypass a limit,
    and uncounted if the block ends in any other way. Raises `TooManyAttempts` when failures and
    logins in progress exceed the limit of the address or of the account. If the account has logged
    in from this address before, only the limit of the two together applies, which strangers
    elsewhere cannot use up.
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
            _report(keys, email, network)
    if remaining is not None:
        _uncount(keys)
        raise TooManyAttempts(retry_after=max(1, math.ceil(remaining)))
    try:
        yield
    except AuthenticationFailed:
        raise
    except BaseException:
        _uncount(keys)
        raise
    _uncount(keys, known=both)


def client_network(address: str) -> str:
    """Return what counts as one address: an IPv4 address, or the /64 network of an IPv6 address.

    A client with an IPv6 address has at least that network (RFC 6177). Ports are ignored. An
    invalid address is `unknown`.
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
    """Return a keyed hash, which hides the values from readers of the table."""
    secret = current_app.config["JWT_SECRET_KEY"].encode()
    digest = hmac.digest(secret, "\0".join((kind, *values)).encode(), "sha256")
    return f"{kind} {digest.hex()}"


def _is_known(key: str) -> bool:
    known = select(LoginAttempts).filter_by(key=key).where(~_is_expired())
    return db.session.scalars(select(known.exists())).one()


def _is_expired():
    return LoginAttempts.expires_at <= func.now()


def _count(keys: dict[str, timedelta]) -> float | None:
    """Count a failure for each key; `keys` maps it to its longest window.

    Return the seconds until no key is over the limit, or None if none is. A window is twice as
    long as the previous one if that had failures and has not expired. Otherwise 19 guesses per
    minute could go on forever.
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
            for key, longest in sorted(keys.items())  # sorted, to avoid deadlocks
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
        "is_reported": false(),
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


def _report(keys: Collection[str], email: str, network: str) -> None:
    """Record once for each window that is used up that logins are blocked.

    Nothing tells here whether the account exists: without one the event is as any other.
    """
    reported = execute(
        update(table(LoginAttempts))
        .where(
            LoginAttempts.key.in_(keys),
            LoginAttempts.failures > MAX_FAILURES,
            ~LoginAttempts.is_reported,
        )
        .values(is_reported=True)
        .returning(LoginAttempts.key)
    ).scalars()
    limits = sorted(LIMITS[key.partition(" ")[0]] for key in reported)
    if limits:
        user = None if limits == [LIMITS["address"]] else find_user(email)
        record_account(EventType.LOGIN_BLOCKED, user, address=network, limits=limits)


def _uncount(keys: Collection[str], known: str | None = None) -> None:
    """Subtract a failure from each key, and store `known` as a known key."""
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
    """Delete expired rows, more at once than are added, so that they do not accumulate."""
    expired = (
        select(LoginAttempts.key)
        .where(_is_expired())
        .order_by(LoginAttempts.expires_at)
        .limit(DELETE_BATCH_SIZE)
        .with_for_update(skip_locked=True)
    )
    execute_bulk(delete(LoginAttempts).where(LoginAttempts.key.in_(expired.scalar_subquery())))
