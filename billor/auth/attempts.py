"""Failed logins from one address: counted in PostgreSQL, by all processes together.

Not in Redis, since the limit must hold while Redis is away, and nobody logs in without PostgreSQL.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from sqlalchemy import case, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from billor.database import transaction
from billor.errors import AuthenticationFailed, TooManyAttempts
from billor.extensions import db
from billor.models import FailedLogin

MAX_FAILURES = 20
WINDOW_SECONDS = 60
FORGOTTEN_AT_ONCE = 100


@contextmanager
def counted_attempt(address: str) -> Iterator[None]:
    """Count the login in this block as failed if it ends in `AuthenticationFailed`.

    It counts from the start, before a password is looked at, so that many at once cannot slip
    through, and is taken back at any other end. Raises `TooManyAttempts` when failures and logins
    in progress are past the limit.
    """
    address = address[: FailedLogin.address.type.length]
    failures, remaining = _count(address)
    if failures > MAX_FAILURES:
        _take_back(address)
        raise TooManyAttempts(retry_after=max(1, math.ceil(remaining)))
    try:
        yield
    except AuthenticationFailed:
        raise
    except BaseException:
        _take_back(address)
        raise
    _take_back(address)


def _count(address: str) -> tuple[int, float]:
    """Returns the address's failures in its window, and the seconds until the window ends."""
    new_end = func.now() + timedelta(seconds=WINDOW_SECONDS)
    is_over = FailedLogin.window_ends_at <= func.now()
    row = insert(FailedLogin).values(address=address, failures=1, window_ends_at=new_end)
    counted = row.on_conflict_do_update(
        index_elements=[FailedLogin.address],
        set_={
            "failures": case((is_over, 1), else_=FailedLogin.failures + 1),
            "window_ends_at": case((is_over, new_end), else_=FailedLogin.window_ends_at),
        },
    ).returning(
        FailedLogin.failures,
        func.extract("epoch", FailedLogin.window_ends_at - func.now()),
    )
    with transaction():
        failures, remaining = db.session.execute(counted).one()
        if failures == 1:
            _forget_some_windows()
    return failures, float(remaining)


def _take_back(address: str) -> None:
    with transaction():
        db.session.execute(
            update(FailedLogin)
            .where(FailedLogin.address == address, FailedLogin.failures > 0)
            .values(failures=FailedLogin.failures - 1)
            .execution_options(synchronize_session=False)
        )


def _forget_some_windows() -> None:
    """Forget more windows that are over than new ones begin, so that they do not pile up."""
    over = (
        select(FailedLogin.address)
        .where(FailedLogin.window_ends_at <= func.now())
        .order_by(FailedLogin.window_ends_at)
        .limit(FORGOTTEN_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    db.session.execute(
        delete(FailedLogin)
        .where(FailedLogin.address.in_(over.scalar_subquery()))
        .execution_options(synchronize_session=False)
    )
