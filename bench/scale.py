"""Measures every list, its filters, pairs of them, and deep pages at three numbers of loads."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import combinations
from statistics import median

from flask import Flask
from sqlalchemy import text

from bench.environment import environment
from billor import create_app
from billor.api.pagination import encode_cursor
from billor.config import load_config
from billor.models import db

SIZES = (1_000, 100_000, 1_000_000)
ROUNDS = 30
LIMIT = 20
"""Items on a page: so few that a thousand loads fill the pages of all pairs of filters."""

# One driver for five loads, the newest 80 % of the drivers with a load. Load 1 has 100 more events.
ROWS = """
    INSERT INTO users (name, email)
    SELECT 'User ' || n, n || '@bench.example' FROM generate_series(1, :loads / 10) AS n;

    INSERT INTO drivers (name, license_number, status)
    SELECT 'Driver ' || n, 'TX-' || n, CASE WHEN n % 4 = 0 THEN 'INACTIVE' ELSE 'ACTIVE' END
    FROM generate_series(1, :loads / 5) AS n;

    INSERT INTO loads (origin, destination, cargo_type, reference, status, created_at, pickup_at)
    SELECT 'Origin ' || n / 4 % 4, 'Destination ' || n / 16 % 4, 'Cargo ' || n / 64 % 4,
        'Order ' || n,
        CASE
            WHEN n > :loads * 0.84 THEN 'ASSIGNED'
            WHEN n % 4 = 0 THEN 'OPEN'
            WHEN n % 4 = 1 THEN 'CANCELLED'
            ELSE 'COMPLETED'
        END,
        timestamptz '2025-01-01 00:00Z' - (:loads - n) * interval '1 minute',
        timestamptz '2025-01-02 00:00Z' - (:loads - n) * interval '1 minute'
    FROM generate_series(1, :loads) AS n;

    INSERT INTO driver_load_assignments (driver_id, load_id, status, closed_at)
    SELECT
        CASE status WHEN 'ASSIGNED' THEN id - :loads * 0.8 ELSE 1 + id % (:loads / 25) END,
        id, status, CASE WHEN status <> 'ASSIGNED' THEN created_at END
    FROM loads WHERE status <> 'OPEN' ORDER BY id;

    INSERT INTO load_events (id, type, load_id, payload, created_at, published_at, recorded_at)
    SELECT gen_random_uuid(), 'load.updated', greatest(n, 1), '{"load": {"status": "OPEN"}}',
        timestamptz '2025-01-01 00:00Z' + n * interval '1 minute', now(), now()
    FROM generate_series(-100, :loads) AS n
"""
FILTERS = {
    "/users": [],
    "/drivers": ["status=ACTIVE", "status=INACTIVE", "available=true", "available=false"],
    "/loads": [
        "status=OPEN",
        "status=ASSIGNED",
        "origin=origin%201",
        "destination=destination%201",
        "cargoType=cargo%201",
        "createdFrom=2020-01-01T00:00:00Z",
        "createdTo=2024-12-31T23:00:00Z",
        "pickupFrom=2024-12-31T00:00:00Z",
        "sort=pickupAt",
        "q=origin%201",
        "q=order%20100",
    ],
    "/assignments": ["driverId=2", "loadId=1", "status=ASSIGNED", "status=COMPLETED"],
    "/loads/1/timeline": [],
}
MIDDLE_OF = {
    "/users": "SELECT max(id) / 2 FROM users",
    "/drivers": "SELECT max(id) / 2 FROM drivers",
    "/loads": "SELECT created_at, id FROM loads WHERE id = (SELECT max(id) / 2 FROM loads)",
    "/assignments": "SELECT assigned_at, id FROM driver_load_assignments"
    " WHERE id = (SELECT max(id) / 2 FROM driver_load_assignments)",
    "/loads/1/timeline": "SELECT created_at, id FROM load_events WHERE load_id = 1"
    " ORDER BY created_at OFFSET 50 LIMIT 1",
}
MIDDLE_BY_PICKUP = "SELECT pickup_at, id FROM loads WHERE id = (SELECT max(id) / 2 FROM loads)"


HEADINGS = ("milliseconds of", *(f"{loads:,} loads" for loads in SIZES), "ratio")


def scale() -> tuple[tuple[str, ...], Iterator[tuple[str, ...]]]:
    """Measure all pages, without Redis and in this process; the sizes take turns."""
    return HEADINGS, _rows()


def _rows() -> Iterator[tuple[str, ...]]:
    with ExitStack() as stack:
        clients = [stack.enter_context(_filled(loads)) for loads in SIZES]
        for page in _pages():
            for is_deep in (False, True):
                yield _measure(clients, page, is_deep)


class _Client:
    """A client of an app over some number of loads."""

    def __init__(self, app: Flask, token: str):
        self._app = app
        self._client = app.test_client()
        self._headers = {"Authorization": f"Bearer {token}"}

    def address(self, page: str, *, is_deep: bool) -> str:
        """Return the address of a page, or of that which follows the middle of the list."""
        if not is_deep:
            return page
        middle = MIDDLE_BY_PICKUP if "sort=pickupAt" in page else MIDDLE_OF[page.partition("?")[0]]
        with self._app.test_request_context(page), db.engine.connect() as connection:
            cursor = encode_cursor(tuple(connection.execute(text(middle)).one()))
        return f"{page}&cursor={cursor}"

    def milliseconds(self, address: str) -> float:
        """Get a page; return how long it took."""
        started = time.perf_counter()
        answer = self._client.get(address, headers=self._headers)
        took = time.perf_counter() - started
        if answer.status_code != 200:
            raise RuntimeError(f"{address}: {answer.text}")
        return took * 1000


@contextmanager
def _filled(loads: int) -> Iterator[_Client]:
    with environment() as found:
        app = create_app(load_config({**found.settings, "REDIS_URL": "", "LOG_LEVEL": "WARNING"}))
        with app.app_context():
            with db.engine.begin() as connection:
                connection.execute(text("SET LOCAL statement_timeout = 0"))
                connection.execute(text(ROWS), {"loads": loads})
            with db.engine.connect() as connection:
                connection.execution_options(isolation_level="AUTOCOMMIT")
                connection.execute(text("VACUUM ANALYZE"))
        yield _Client(app, found.token)
        with app.app_context():
            db.engine.dispose()


def _pages() -> Iterator[str]:
    """Yield each list, without filters, with each of its filters, and with each pair of them."""
    for path, filters in FILTERS.items():
        for count in range(3):
            for chosen in combinations(filters, count):
                if len({each.partition("=")[0] for each in chosen}) == count:
                    yield f"{path}?{'&'.join([f'limit={LIMIT}', *chosen])}"


def _measure(clients: Sequence[_Client], page: str, is_deep: bool) -> tuple[str, ...]:
    addresses = [client.address(page, is_deep=is_deep) for client in clients]
    rounds = [
        [client.milliseconds(address) for client, address in zip(clients, addresses, strict=True)]
        for _ in range(1 + ROUNDS)
    ][1:]
    name = page.replace(f"limit={LIMIT}&", "").replace(f"?limit={LIMIT}", "")
    times = [median(taken) for taken in zip(*rounds, strict=True)]
    ratio = median(taken[-1] / taken[0] for taken in rounds)
    return (
        f"`{name}`" + (", deep" if is_deep else ""),
        *(f"{time:.2f}" for time in times),
        f"{ratio:.2f}",
    )
