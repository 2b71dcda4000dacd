"""Query plans: with 100,000 rows, every list reads about as many rows as a page shows.

The plans are PostgreSQL's own, of the statements that the API sends.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from urllib.parse import parse_qs

import psycopg2
import pytest
from flask import Flask
from flask_jwt_extended import create_access_token
from sqlalchemy import event

from billor.extensions import db
from billor.http.fields import DEFAULT_LIMIT
from billor.http.pagination import encode_cursor
from billor.loads.exporting import PAGE_ROWS
from billor.revisions import upgrade
from tests.support.apps import another_app
from tests.support.client import ApiClient
from tests.support.contract import operations
from tests.support.databases import own_database
from tests.support.events import EventStream

pytestmark = pytest.mark.slow

ROWS = 100_000
# Two years of loads, always ten of them created in one transaction. Of the newest some are OPEN
# and half are ASSIGNED, CANCELLED is rare; all others are COMPLETED. The newest 5,000 drivers have
# a load each. Driver 1 has had 2,000 of them, driver 2 as many, all long ago, and load 1 has been
# edited 1,000 times. Two of place A, place A and cargo A meet often and all
# three never; of place B, place B and cargo B none meets another, though each is common. Three of
# four loads have a time of pickup, within a week of their creation.
HISTORY = f"""
    INSERT INTO users (name, email)
    SELECT 'User ' || n, n || '@billor.example' FROM generate_series(1, {ROWS}) AS n;

    INSERT INTO sessions (user_id, expires_at)
    SELECT 1 + n % 1000, now() + interval '1 hour' FROM generate_series(1, 10000) AS n;

    INSERT INTO drivers (name, license_number, status)
    SELECT 'Driver ' || n, 'TX-' || n, CASE WHEN n % 200 = 0 THEN 'INACTIVE' ELSE 'ACTIVE' END
    FROM generate_series(1, {ROWS}) AS n;

    UPDATE users SET role = 'ADMIN' WHERE id = 1;
    UPDATE users SET role = 'DRIVER', driver_id = 1 WHERE id = 2;

    INSERT INTO loads (origin, destination, cargo_type, status, created_at, reference, pickup_at)
    SELECT
        CASE
            WHEN n / 7 % 24 < 4 THEN 'A'
            WHEN n / 7 % 24 < 8 THEN 'B'
            ELSE 'City ' || n % 50
        END,
        CASE
            WHEN n / 7 % 24 IN (0, 1, 4, 5) THEN 'A'
            WHEN n / 7 % 24 IN (8, 9, 10, 11) THEN 'B'
            ELSE 'City ' || n * 7 % 47
        END,
        CASE
            WHEN n / 7 % 24 IN (2, 3, 4, 5) THEN 'A'
            WHEN n / 7 % 24 IN (12, 13, 14, 15) THEN 'B'
            ELSE 'Cargo ' || CASE WHEN n % 1000 = 500 THEN 500 ELSE n % 11 END
        END,
        CASE
            WHEN n > {ROWS} * 0.9 AND n % 2 = 0 THEN 'ASSIGNED'
            WHEN n > {ROWS} * 0.99 THEN 'OPEN'
            WHEN n % 1000 = 1 THEN 'CANCELLED'
            ELSE 'COMPLETED'
        END,
        timestamptz '2024-01-01 00:00Z' + n / 10 * interval '100 minutes',
        CASE WHEN n % 2 = 1 THEN 'PO-' || n END,
        CASE
            WHEN n % 4 > 0 THEN timestamptz '2024-01-01 00:00Z' + n / 10 * interval '100 minutes'
                + n % 1000 * interval '10 minutes'
        END
    FROM generate_series(1, {ROWS}) AS n;

    INSERT INTO driver_load_assignments (driver_id, load_id, status, closed_at)
    SELECT
        CASE
            WHEN status = 'ASSIGNED' THEN ({ROWS} + id) / 2
            WHEN id % 50 = 1 THEN 1
            WHEN id < {ROWS} * 0.1 AND id % 5 = 2 THEN 2
            ELSE id
        END,
        id, CASE status WHEN 'OPEN' THEN 'COMPLETED' ELSE status END,
        CASE WHEN status <> 'ASSIGNED' THEN now() END
    FROM loads ORDER BY loads.id;

    INSERT INTO load_events (id, type, load_id, payload, created_at, published_at, recorded_at)
    SELECT gen_random_uuid(), 'load.updated', CASE WHEN n % 100 = 0 THEN 1 ELSE n END, '{{}}',
        timestamptz '2024-01-01 00:00Z' + n * interval '10 minutes', now(), now()
    FROM generate_series(1, {ROWS}) AS n;
"""  # noqa: S608 - put together from constants
# The statistics then cover all rows, not a sample, and so the plans are always the same.
ALL_STATISTICS = "SET default_statistics_target = 1000"
MIDDLE_ASSIGNMENT = "SELECT assigned_at, id FROM driver_load_assignments WHERE id = 50000"
MIDDLE_OF = {
    "/users": "SELECT 50000",
    "/drivers": "SELECT 50000",
    "/loads": "SELECT created_at, id FROM loads WHERE id = 50000",
    "/assignments": MIDDLE_ASSIGNMENT,
    "/me/assignments": MIDDLE_ASSIGNMENT,
    "/loads/1/timeline": "SELECT created_at, id FROM load_events WHERE load_id = 1"
    " ORDER BY created_at OFFSET 500 LIMIT 1",
}
MIDDLE_BY_PICKUP = "SELECT pickup_at, id FROM loads WHERE id = 50001"
WEEK = "createdFrom=2024-05-01T00:00:00Z&createdTo=2024-05-08T00:00:00Z"
PICKUP_HOUR = "pickupFrom=2024-05-01T00:00:00Z&pickupTo=2024-05-01T01:00:00Z"
PICKUP_WEEK = "pickupFrom=2024-05-01T00:00:00Z&pickupTo=2024-05-08T00:00:00Z"
QUERIES = {
    "/users": ["", "email=777@BILLOR.example"],
    "/drivers": [
        "",
        "status=ACTIVE",
        "status=INACTIVE",
        "status=ACTIVE&status=INACTIVE",
        "available=true",
        "available=false",
        "available=true&status=ACTIVE",
        "available=false&status=ACTIVE",
        "available=false&status=INACTIVE",
        "licenseNumber=tx%20777",
        "licenseNumber=TX777&status=ACTIVE&available=true",
    ],
    "/loads": [
        "",
        "status=COMPLETED",
        "status=OPEN",
        "status=CANCELLED",
        "status=OPEN&status=ASSIGNED",
        "status=OPEN&status=CANCELLED",
        "status=OPEN&status=ASSIGNED&status=COMPLETED&status=CANCELLED",
        "origin=CITY%207",
        "destination=city%207",
        "cargoType=CARGO%207",
        "cargoType=cargo%20500",
        "createdFrom=2024-05-01T00:00:00Z",
        "createdTo=2024-05-01T00:00:00Z",
        "createdTo=2025-11-20T00:00:00Z",
        "createdTo=2025-11-20T00:00:00Z&origin=City%207",
        WEEK,
        f"{WEEK}&status=COMPLETED",
        f"{WEEK}&status=CANCELLED",
        f"{WEEK}&status=COMPLETED&status=CANCELLED",
        f"{WEEK}&origin=City%207",
        f"{WEEK}&origin=A&cargoType=A&status=COMPLETED",
        "origin=City%207&status=COMPLETED",
        "origin=City%207&status=OPEN",
        "destination=City%207&status=OPEN&status=ASSIGNED",
        "cargoType=Cargo%207&status=CANCELLED",
        "origin=a&destination=a",
        "origin=A&cargoType=A&status=COMPLETED&status=CANCELLED",
        "destination=A&cargoType=A",
        "origin=City%207&destination=City%2027&cargoType=Cargo%203",
        "reference=po%20777",
        "reference=po%20777&status=COMPLETED&origin=city%2027",
        "sort=pickupAt",
        "sort=pickupAt&status=OPEN",
        "sort=pickupAt&status=OPEN&status=ASSIGNED",
        "sort=pickupAt&status=COMPLETED",
        "sort=pickupAt&reference=po%20777",
        f"sort=pickupAt&{PICKUP_WEEK}",
        f"sort=pickupAt&{PICKUP_WEEK}&status=COMPLETED&status=CANCELLED",
        "sort=pickupAt&pickupFrom=2024-05-01T00:00:00Z",
        "sort=pickupAt&pickupTo=2025-11-20T00:00:00Z&status=COMPLETED",
    ],
    "/assignments": [
        "",
        "status=ASSIGNED",
        "status=COMPLETED",
        "status=CANCELLED",
        "status=ASSIGNED&status=CANCELLED",
        "driverId=1",
        "driverId=2",
        "driverId=8",
        "loadId=7",
        "loadId=7&status=COMPLETED",
        "driverId=1&loadId=51",
        "driverId=1&status=CANCELLED",
        "driverId=1&status=COMPLETED&status=CANCELLED",
    ],
    "/loads/1/timeline": [""],
}
NEVER_MET = {
    "/loads": [
        "origin=B&destination=B",
        "origin=B&cargoType=B",
        "destination=B&cargoType=B",
        "origin=A&destination=A&cargoType=A",
        "origin=A&destination=A&cargoType=A&status=COMPLETED&status=OPEN",
        "origin=A&destination=A&cargoType=B",
        "origin=B&destination=B&cargoType=B&status=COMPLETED",
        f"{WEEK}&origin=B&destination=B",
        f"{WEEK}&origin=A&destination=A&cargoType=A&status=COMPLETED",
        "origin=B&destination=B&createdTo=2025-01-01T00:00:00Z",
        "cargoType=Cargo%20500&status=OPEN",
    ],
    "/assignments": [
        "driverId=1&loadId=50",
        "driverId=1&status=ASSIGNED",
    ],
}
EXPANDED = {
    "/drivers": ["expand=assignment", "expand=assignment&available=false&status=ACTIVE"],
    "/loads": [
        "expand=assignment",
        "expand=assignment&status=ASSIGNED",
        "expand=assignment&status=OPEN&status=ASSIGNED",
        "expand=assignment&origin=A&cargoType=A&status=COMPLETED&status=CANCELLED",
    ],
    "/assignments": [
        "expand=driver,load",
        "expand=driver,load&status=ASSIGNED",
        "expand=driver,load&status=ASSIGNED&status=CANCELLED",
    ],
    "/me/assignments": ["", "status=CANCELLED", "status=COMPLETED&status=CANCELLED"],
}
"""Pages that show two other rows with each at most."""
# What no index has in the list's order: some rows are read in that order, and then, if the page is
# not full, those that another index finds, which are few here.
SEARCHES = {
    "/users": ["q=user", "q=777", "q=user%20777@bill"],
    "/drivers": ["q=driver", "q=tx-777", "q=800&status=INACTIVE", "q=777&available=true"],
    "/loads": [
        "q=city",
        "q=city%207&status=COMPLETED",
        "q=po-7777",
        "q=po-77%20city%2027",
        "q=po-7777&status=COMPLETED&origin=city%2027",
        "q=cargo%20500&sort=pickupAt",
        "sort=pickupAt&origin=city%207",
        "sort=pickupAt&cargoType=cargo%20500&status=COMPLETED",
        "sort=pickupAt&destination=city%207&status=OPEN&status=ASSIGNED",
        f"sort=pickupAt&{WEEK}",
        f"sort=pickupAt&origin=a&{PICKUP_WEEK}",
        PICKUP_HOUR,
        f"{PICKUP_WEEK}&origin=city%207&status=COMPLETED",
    ],
}
FOUND_NOWHERE = {
    "/users": ["q=nobody", "q=7%20qq"],
    "/drivers": ["q=nobody", "q=qq"],
    "/loads": ["q=nowhere", "q=qq", "q=city%20nowhere", "q=nowhere&status=OPEN&sort=pickupAt"],
}
MOST_ROWS_READ = 200
MOST_BLOCKS_READ = 150


@dataclass(frozen=True)
class Scan:
    """A scan of one table or index in a plan."""

    kind: str
    name: str
    rows_read: float


@dataclass(frozen=True)
class Plan:
    """How PostgreSQL executed a statement. `blocks_read` are of 8 KiB, from memory or disk."""

    statement: str
    scans: list[Scan]
    blocks_read: int

    @property
    def rows_read(self) -> float:
        return sum(scan.rows_read for scan in self.scans)


class History:
    """A client of the API over two years of data, and the plans of its statements."""

    def __init__(self, app: Flask, connection: psycopg2.extensions.connection):
        with app.app_context():
            self._engine = db.engine
            tokens = (create_access_token("1"), create_access_token("2"))
            self._client = ApiClient(app.test_client(), *tokens)
        self._app = app
        self._cursor = connection.cursor()

    def plans_of_pages(self, address: str, *, empty: bool) -> list[Plan]:
        """The plans of the first page at this address, and of one far from it."""
        page, plans = self._get(address)
        assert bool(page) is not empty, "the filters do not match the data as intended"
        _, plans_in_the_middle = self._get(f"{address}&cursor={self._middle(address)}")
        return plans + plans_in_the_middle

    def _middle(self, address: str) -> str:
        path, _, query = address.partition("?")
        self._cursor.execute(MIDDLE_BY_PICKUP if "sort=" in query else MIDDLE_OF[path])
        with self._app.test_request_context(address):
            return encode_cursor(self._cursor.fetchone())

    def plans_of_export(self, query: str) -> list[Plan]:
        """The plans of an export, which is read to its end."""
        rows, plans = self._get(f"/loads.csv?{query}")
        assert rows is None  # it is no JSON
        return plans

    def plans_of_a_stream(self) -> list[Plan]:
        """The plans of the statements with which a stream is resumed."""
        last: dict[str, str] = {}
        for _ in range(2):
            with (
                self._recorded() as statements,
                self._client.get("/changes", headers=last) as answer,
            ):
                last = {"Last-Event-ID": EventStream(answer.iter_encoded(), {}).next().id}
        return [self._explain(each) for each in statements if "pg_visible_in_snapshot" in each]

    def _get(self, address: str) -> tuple[list[dict] | None, list[Plan]]:
        with self._recorded() as statements:
            answer = self._client.get(address)
            assert answer.text
        assert answer.status_code == 200, answer.text
        return answer.json, [self._explain(statement) for statement in statements]

    @contextmanager
    def _recorded(self) -> Iterator[list[str]]:
        """The statements that are sent in the block."""
        statements: list[str] = []

        def record(_connection, cursor, statement, parameters, *_) -> None:
            statements.append(cursor.mogrify(statement, parameters).decode())

        event.listen(self._engine, "before_cursor_execute", record)
        try:
            yield statements
        finally:
            event.remove(self._engine, "before_cursor_execute", record)

    def _explain(self, statement: str) -> Plan:
        self._cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}")
        (plan,) = self._cursor.fetchone()[0]
        root = plan["Plan"]
        blocks_read = root["Shared Hit Blocks"] + root["Shared Read Blocks"]
        return Plan(statement, list(scans(root)), blocks_read)


def scans(node: dict) -> Iterator[Scan]:
    """The scans of a node of EXPLAIN's tree and of all its children."""
    name = node.get("Index Name") or node.get("Relation Name")
    if name is not None:
        removed = ("Rows Removed by Filter", "Rows Removed by Index Recheck")
        rows = node["Actual Rows"] + sum(node.get(reason, 0) for reason in removed)
        yield Scan(node["Node Type"], name, rows * node["Actual Loops"])
    for child in node.get("Plans", ()):
        yield from scans(child)


@pytest.fixture(scope="module")
def history(settings: dict[str, str]) -> Iterator[History]:
    with (
        own_database(settings) as own_settings,
        another_app(own_settings, REDIS_URL="") as app,
        closing(psycopg2.connect(own_settings["DATABASE_URL"])) as connection,
    ):
        with app.app_context():
            upgrade()
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(HISTORY)
            cursor.execute(ALL_STATISTICS)
            cursor.execute("VACUUM ANALYZE")
        yield History(app, connection)


def each(queries: dict[str, list[str]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        "address", [f"{path}?{query}" for path, of_path in queries.items() for query in of_path]
    )


def assert_little_is_read(
    plans: list[Plan], most_rows: int = MOST_ROWS_READ, most_blocks: int = MOST_BLOCKS_READ
) -> None:
    for plan in plans:
        of_many_rows = {scan.kind for scan in plan.scans if scan.name != "restores"}
        assert "Seq Scan" not in of_many_rows, plan
        assert plan.rows_read <= most_rows, plan
        assert plan.blocks_read <= most_blocks, plan


@each(QUERIES)
def test_a_list_reads_little_more_than_it_shows(history: History, address: str):
    assert_little_is_read(history.plans_of_pages(address, empty=False))


@each(EXPANDED)
def test_an_expanded_list_reads_little_more_than_it_shows(history: History, address: str):
    plans = history.plans_of_pages(address, empty=False)
    # Each row that is shown with another one is found by an index.
    shown = 3 * DEFAULT_LIMIT
    assert_little_is_read(plans, most_rows=MOST_ROWS_READ + shown, most_blocks=4 * shown)


@each(NEVER_MET)
def test_common_filters_without_shared_rows_read_next_to_nothing(history: History, address: str):
    assert_little_is_read(history.plans_of_pages(address, empty=True))


def test_an_export_reads_little_more_than_it_shows(history: History):
    plans = history.plans_of_export("status=OPEN&status=ASSIGNED")
    assert len(plans) > 10  # several pages, with two statements each
    # For each load three ranges of an index, an assignment and a driver.
    assert_little_is_read(plans, most_rows=3 * PAGE_ROWS, most_blocks=15 * PAGE_ROWS)


def test_every_list_and_every_filter_is_tested():
    lists = [operation for operation in operations() if "cursor" in operation.parameters]
    of_no_filter = {"cursor", "limit", "If-None-Match"}
    tested = {
        path: [*QUERIES.get(path, []), *EXPANDED.get(path, []), *SEARCHES.get(path, [])]
        for path in {**QUERIES, **EXPANDED}
    }
    assert {path: set(parse_qs("&".join(queries))) for path, queries in tested.items()} == {
        operation.path.format(load_id=1): set(operation.parameters) - of_no_filter
        for operation in lists
        if not operation.path.startswith("/audit")  # which is not in PostgreSQL
    }


def test_a_look_for_changes_reads_only_what_is_new(history: History):
    plans = history.plans_of_a_stream()
    assert_little_is_read(plans, most_rows=0)
    used = {scan.name for plan in plans for scan in plan.scans}
    assert "ix_load_events_transaction_id" in used


def test_readiness_reads_no_more_than_the_waiting_events(history: History):
    _, plans = history._get("/readyz")
    assert_little_is_read(plans)
    used = {scan.name for plan in plans for scan in plan.scans}
    assert {"ix_load_events_unpublished", "ix_load_events_unconfirmed"} <= used
