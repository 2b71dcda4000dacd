"""A concurrent transaction whose locks block requests."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from flask import Flask
from sqlalchemy import Connection, event, text

from billor.models import db
from tests.support.worker import WAIT_SECONDS, wait_until


class Rival:
    """One transaction; it ends with the block, `give_way` or `insist`."""

    def __init__(self, own: Connection, onlooker: Connection):
        self._own = own
        self._onlooker = onlooker

    def execute(self, statement: str, **parameters) -> None:
        self._own.execute(text(statement), parameters)

    def scalar(self, query: str) -> Any:
        return self._own.scalar(text(query))

    def give_way(self) -> None:
        """Roll back, and release the locks."""
        self._own.rollback()

    def insist(self) -> None:
        """Commit, and release the locks."""
        self._own.commit()

    def wait_until_waited_for(self, count: int = 1) -> list[int]:
        """Wait until so many connections wait for a lock; return their backend pids."""
        query = text(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name = 'billor' AND cardinality(pg_blocking_pids(pid)) > 0"
        )

        def waiting() -> list[int] | None:
            pids = list(self._onlooker.scalars(query))
            return pids if len(pids) >= count else None

        return wait_until(waiting)


@contextmanager
def rival(app: Flask) -> Iterator[Rival]:
    """Start a transaction at the app's database."""
    with app.app_context():
        engine = db.engine
    onlooking = engine.execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as own, onlooking.connect() as onlooker:
        yield Rival(own, onlooker)


def beaten(app: Flask, statement: str, call: Callable, *arguments: Any) -> Any:
    """The result of a call that waits for this statement, which is then committed."""
    with rival(app) as other, ThreadPoolExecutor(1) as threads:
        other.execute(statement)
        result = threads.submit(call, *arguments)
        other.wait_until_waited_for()
        other.insist()
        return result.result(WAIT_SECONDS)


@contextmanager
def short_lock_timeout() -> Iterator[None]:
    """Requests of this process give up early on a lock."""

    def shorten(_session, _transaction, connection: Connection) -> None:
        connection.exec_driver_sql("SET LOCAL lock_timeout = '50ms'")

    event.listen(db.session, "after_begin", shorten)
    try:
        yield
    finally:
        event.remove(db.session, "after_begin", shorten)
