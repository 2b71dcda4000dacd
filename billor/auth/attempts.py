"""Rate limits of failed logins and of mails, by address and by account, also unknown ones.

The counters are in PostgreSQL: all processes share them, also while Redis is unavailable.
"""

import hashlib
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from threading import BoundedSemaphore

from sqlalchemy import Row, case, func, update
from sqlalchemy.dialects.postgresql import insert

from billor.api.blocking import QUEUE_SECONDS, slot
from billor.database import execute, transaction
from billor.errors import TooMany
from billor.events.event import EventType
from billor.models import LoginAttempts, db
from billor.users.service import find_user, record_account

MAX_FAILURES = 20
MAX_MAILS = 5
WINDOW = timedelta(minutes=15)
# Also if PostgreSQL's clock was set back: then its end is too far in the future.
IS_OVER = ~LoginAttempts.expires_at.between(func.now(), func.now() + 2 * WINDOW)
MAX_CHECKS = 2
"""At once in each process. Good logins count until they are checked, and a burst is no attack."""
# Some proxies forward the client's port, which changes with each connection.
HOST_AND_PORT = re.compile(r"\[(.+)\](?::\d+)?|([\d.]+):\d+")

_running = BoundedSemaphore(MAX_CHECKS)


@contextmanager
def counted_attempt(email: str, address: str) -> Iterator[None]:
    """Count a failed login if the block raises.

    It counts before the block and subtracts after it, so that concurrent logins cannot exceed a
    limit.
    """
    network = client_network(address)
    limits = {_key("account", email.casefold()): "account", _key("address", network): "address"}
    with slot(_running, "request_timeout", QUEUE_SECONDS):
        with transaction():
            over = [row for row in _count(limits) if row.failures > MAX_FAILURES]
            reached = sorted(limits[row.key] for row in over if row.failures == MAX_FAILURES + 1)
            if reached:  # just now
                user = find_user(email) if "account" in reached else None
                record_account(EventType.LOGIN_BLOCKED, user, address=network, limits=reached)
        if over:
            raise _refusal(over)
        yield
        with transaction():
            for key in sorted(limits):
                counter = update(LoginAttempts).where(LoginAttempts.key == key)
                execute(counter.values(failures=LoginAttempts.failures - 1))


def count_mail(email: str, address: str) -> None:
    """Count a request to mail an account. Raises `TooMany`.

    An address may ask for the mails of several accounts.
    """
    account, network = _key("mail to", email.casefold()), _key("mail from", client_network(address))
    limits = {account: MAX_MAILS, network: MAX_FAILURES}
    with transaction():
        over = [row for row in _count(limits) if row.failures > limits[row.key]]
    if over:
        raise _refusal(over)


def client_network(address: str) -> str:
    """Return the IPv4 address, or the /64 network that an IPv6 client has (RFC 6177)."""
    match = HOST_AND_PORT.fullmatch(address)
    try:
        parsed = ip_address((match[1] or match[2]) if match else address)
    except ValueError:
        return address[:100]
    if isinstance(parsed, IPv6Address):
        return str(parsed.ipv4_mapped or ip_network((int(parsed), 64), strict=False))
    return str(parsed)


def _refusal(over: Collection[Row]) -> TooMany:
    return TooMany("too_many_attempts", max(1, *(int(row.seconds) for row in over)))


def _key(kind: str, value: str) -> str:
    """Return a hash: people sometimes type their password as the email address."""
    return hashlib.sha256(f"{kind} {value}".encode()).hexdigest()


def _count(keys: Collection[str]) -> list[Row]:
    """Count a failure for each key, in a window that starts with the first failure."""
    first = insert(LoginAttempts).values(
        # Sorted, to avoid deadlocks.
        [{"key": key, "failures": 1, "expires_at": func.now() + WINDOW} for key in sorted(keys)]
    )
    counted = first.on_conflict_do_update(
        index_elements=[LoginAttempts.key],
        set_={
            # Bounded: refused ones are not uncounted, and must not outlast a burst of good logins.
            "failures": case(
                (IS_OVER, 1), else_=func.least(LoginAttempts.failures + 1, MAX_FAILURES + 2)
            ),
            "expires_at": case((IS_OVER, func.now() + WINDOW), else_=LoginAttempts.expires_at),
        },
    ).returning(
        LoginAttempts.key,
        LoginAttempts.failures,
        func.ceil(func.extract("epoch", LoginAttempts.expires_at - func.now())).label("seconds"),
    )
    return list(db.session.execute(counted))
