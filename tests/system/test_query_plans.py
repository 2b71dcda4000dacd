"""Query plans: with 100,000 rows, every list reads about as many rows as a page shows.

The plans are PostgreSQL's own, of the statements that the API sends.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from urllib.parse import parse_qs

import psycopg2
import pytest
from flask import Flask
from flask_jwt_extended import create_access_token

from billor.api.pagination import encode_cursor
from billor.database import upgrade
from billor.worker.notify import notify_drivers
from tests.support.apps import another_app
from tests.support.client import ApiClient
from tests.support.contract import operations
from tests.support.databases import own_database
from tests.support.events import EventStream
from tests.support.statements import StatementRecorder

pytestmark = pytest.mark.slow

ROWS = 100_000
# Two years of loads, always ten of them created in one transaction. Of the newest some are OPEN
# and half are ASSIGNED, CANCELLED is rare; all others are COMPLETED. The newest 5,000 drivers have
# a load each. Driver 1 has had 2,000 of them, driver 2 as many, all long ago, and load 1 has been
# edited 1,000 times. Assignment 1 and driver 1's active one have 1,000 check-ins each, and the load
# of the latter has 1,000 comments and documents, like load 1. Three of four loads have a time of
# pickup, within a week of their creation.
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

    INSERT INTO loads (
        origin, destination, cargo_type, status, created_at, reference, pickup_at, updated_at,
        driver_words
    )
    SELECT
        'City ' || n % 50,
        'City ' || n * 7 % 47,
        'Cargo ' || CASE WHEN n % 1000 = 500 THEN 500 ELSE n % 11 END,
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
        END,
        timestamptz '2024-01-01 00:00Z' + n / 10 * interval '100 minutes',
        'Driver ' || n
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
        CASE WHEN status <> 'ASSIGNED' THEN created_at + interval '1 day' END
    FROM loads ORDER BY loads.id;

    UPDATE driver_load_assignments SET driver_id = 1 WHERE id = {ROWS};

    INSERT INTO check_ins (assignment_id, kind, happened_at, user_id)
    SELECT CASE n % 100 WHEN 0 THEN 1 WHEN 1 THEN {ROWS} ELSE n END, 'LOADED',
        timestamptz '2024-01-01 00:00Z' + n * interval '10 minutes', 1
    FROM generate_series(1, {ROWS}) AS n;

    INSERT INTO load_events (id, type, load_id, payload, created_at, published_at, recorded_at)
    SELECT gen_random_uuid(), CASE n % 100 WHEN 1 THEN 'load.commented' ELSE 'load.updated' END,
        CASE n % 100 WHEN 0 THEN 1 WHEN 1 THEN {ROWS} ELSE n END,
        '{{"comment": {{"visibleToDriver": true}}}}',
        timestamptz '2024-01-01 00:00Z' + n * interval '10 minutes', now(), now()
    FROM generate_series(1, {ROWS}) AS n;

    INSERT INTO documents (load_id, kind, name, media_type, size, sha256, object_key, user_id)
    SELECT CASE n % 100 WHEN 0 THEN 1 WHEN 1 THEN {ROWS} ELSE n END, 'POD', '', '', 0, '', n, 1
    FROM generate_series(1, {ROWS}) AS n;

    UPDATE loads SET has_pod = true WHERE id % 777 > 0;

    INSERT INTO api_keys (name, prefix, key_hash, role, user_id)
    SELECT '', '', n, 'ADMIN', 1 FROM generate_series(1, {ROWS}) AS n;

    INSERT INTO webhooks (url, secret, user_id) SELECT '', '', 1 FROM generate_series(1, {ROWS});

    INSERT INTO webhook_deliveries (webhook_id)
    SELECT 1 + n % 20 FROM generate_series(1, {ROWS}) AS n;
"""  # noqa: S608 - put together from constants
# The statistics then cover all rows, not a sample, and so the plans are always the same.
ALL_STATISTICS = "SET default_statistics_target = 1000"
MIDDLE_ASSIGNMENT = "SELECT assigned_at, id FROM driver_load_assignments WHERE id = 50000"
MIDDLE_CHECK_IN = "SELECT happened_at, id FROM check_ins WHERE id = 50000"
MIDDLE_EVENT = "SELECT created_at, id FROM load_events WHERE load_id = {}"
MIDDLE_EVENT += " ORDER BY created_at OFFSET 500 LIMIT 1"
MIDDLE_BY_ID = "SELECT 50000"
MIDDLE_OF = {
    "/loads": "SELECT created_at, id FROM loads WHERE id = 50000",
    "/assignments": MIDDLE_ASSIGNMENT,
    "/me/assignments": MIDDLE_ASSIGNMENT,
    "/assignments/1/check-ins": MIDDLE_CHECK_IN,
    "/me/assignment/check-ins": MIDDLE_CHECK_IN,
    "/loads/1/timeline": MIDDLE_EVENT.format(1),
    "/me/assignment/comments": MIDDLE_EVENT.format(ROWS),
}
MIDDLE_BY_PICKUP = "SELECT pickup_at, id FROM loads WHERE id = 50001"
MIDDLE_BY_END = "SELECT closed_at, id FROM driver_load_assignments WHERE id = 50000"
FILTERS = {
    "/users": ["email=777@BILLOR.example", "q=777"],
    "/drivers": [
        *("status=ACTIVE", "status=INACTIVE", "available=true", "available=false"),
        *("licenseNumber=tx%20777", "q=tx-777", "expand=assignment"),
    ],
    "/loads": [
        *("status=COMPLETED", "status=OPEN", "status=CANCELLED"),
        *("origin=CITY%207", "destination=city%207", "cargoType=cargo%20500"),
        "createdFrom=2024-05-01T00:00:00Z",
        "createdTo=2024-05-01T00:00:00Z",
        "pickupFrom=2024-05-01T00:00:00Z&pickupTo=2024-05-01T01:00:00Z",
        *("reference=po%20777", "q=po-7777", "withoutPod=true", "sort=pickupAt"),
        "updatedFrom=2024-05-01T00:00:00Z&updatedTo=2024-05-01T06:00:00Z",
        "updatedFrom=2024-05-01T00:00:00Z&sort=updatedAt",
        *("sort=updatedAt", "q=driver%20777", "expand=assignment"),
    ],
    "/assignments": [
        *("status=COMPLETED", "status=CANCELLED", "driverId=1", "driverId=2", "loadId=7"),
        "closedFrom=2024-05-01T00:00:00Z&closedTo=2024-05-08T00:00:00Z",
        "closedFrom=2024-05-01T00:00:00Z",
        "closedTo=2024-05-01T00:00:00Z",
        "expand=driver,load",
    ],
}
"""Each alone."""
LISTS = {
    each.address: set(each.parameters) - {"cursor", "limit", "If-None-Match"}
    for each in operations()
    if "cursor" in each.parameters and not each.path.startswith("/audit")  # not in PostgreSQL
}
"""The filters of each."""
QUERIES = {path: ["", *FILTERS.get(path, [])] for path in LISTS}
OF_THE_BOARD = {
    "/loads": [
        "status=OPEN&sort=pickupAt&limit=200",
        "status=COMPLETED&status=CANCELLED&limit=50",
        "status=COMPLETED&status=CANCELLED&sort=updatedAt&expand=assignment&limit=50",
    ],
    "/assignments": ["status=ASSIGNED&expand=driver,load&limit=200"],
    "/drivers": ["available=true&limit=200"],
    "/me/assignments": ["status=COMPLETED&status=CANCELLED&limit=20"],
}
MAX_ROWS_READ = 1500
"""Of 100,000: some pages have 200 rows, each with two others; a search looks at 500 first."""


@dataclass(frozen=True)
class Plan:
    """How PostgreSQL executed a statement: what it read of each table and index."""

    statement: str
    read_whole: set[str]
    names: set[str]
    rows_read: float


class History:
    """A client of the API over two years of data, and the plans of its statements."""

    def __init__(self, app: Flask, connection: psycopg2.extensions.connection):
        with app.app_context():
            tokens = (create_access_token("1"), create_access_token("2"))
            self._client = ApiClient(app.test_client(), *tokens)
        self._app = app
        self._recorder = StatementRecorder(app, values=True)
        self._cursor = connection.cursor()

    def plans_of_pages(self, address: str) -> list[Plan]:
        """The plans of the first page at this address, and of one far from it."""
        page, plans = self.get(address)
        assert page != "[]\n", "the filters do not match the data as intended"
        return plans + self.get(f"{address}&cursor={self._middle(address)}")[1]

    def _middle(self, address: str) -> str:
        path, _, query = address.partition("?")
        by_time = {"=pickupAt": MIDDLE_BY_PICKUP, "closed": MIDDLE_BY_END}
        middle = [row for part, row in by_time.items() if part in query]
        self._cursor.execute(middle[0] if middle else MIDDLE_OF.get(path, MIDDLE_BY_ID))
        with self._app.test_request_context(address):
            return encode_cursor(self._cursor.fetchone())

    def plans_of_a_stream(self) -> list[Plan]:
        """The plans of the statements with which a stream is resumed."""
        last: dict[str, str] = {}
        for _ in range(2):
            with self._recorder, self._client.get("/changes", headers=last) as answer:
                last = {"Last-Event-ID": EventStream(answer.iter_encoded(), {}).next().id}
        return self._plans("pg_visible_in_snapshot")

    def plans_of_the_feed(self, query: str) -> list[Plan]:
        """The plans of a page of events far from the first one."""
        self._cursor.execute("SELECT id FROM load_events ORDER BY created_at OFFSET 50000 LIMIT 1")
        return self.get(f"/events?{query}&after={self._cursor.fetchone()[0]}")[1]

    def get(self, address: str) -> tuple[str, list[Plan]]:
        """An answer, which may be streamed, and its plans."""
        with self._recorder:
            answer = self._client.get(address)
            text = answer.text
        assert answer.status_code == 200, text
        return text, self._plans()

    def plans_of_notifications(self) -> list[Plan]:
        """The plans of a look for drivers to notify."""
        with self._recorder, self._app.app_context():
            notify_drivers()
        return self._plans()

    def _plans(self, part: str = "") -> list[Plan]:
        """The plans of the statements just recorded that have this part."""
        return [self._explain(each) for each in self._recorder.sent if part in each]

    def _explain(self, statement: str) -> Plan:
        self._cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}")
        (plan,) = self._cursor.fetchone()[0]
        scans = list(scans_of(plan["Plan"]))
        return Plan(
            statement,
            {scan["Relation Name"] for scan in scans if scan["Node Type"] == "Seq Scan"},
            {scan.get("Index Name") or scan["Relation Name"] for scan in scans},
            sum(map(rows_read, scans)),
        )


def scans_of(node: dict) -> Iterator[dict]:
    """The scans of tables and indexes among a node of EXPLAIN's tree and all its children."""
    if {"Index Name", "Relation Name"} & node.keys():
        yield node
    for child in node.get("Plans", ()):
        yield from scans_of(child)


def rows_read(scan: dict) -> float:
    removed = ("Rows Removed by Filter", "Rows Removed by Index Recheck")
    rows = scan["Actual Rows"] + sum(scan.get(reason, 0) for reason in removed)
    return rows * scan["Actual Loops"]


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


@pytest.mark.parametrize(
    "address",
    [
        f"{path}?{query}"
        for lists in (QUERIES, OF_THE_BOARD)
        for path, queries in lists.items()
        for query in queries
    ],
)
def test_a_list_reads_little_more_than_it_shows(history: History, address: str):
    for plan in history.plans_of_pages(address):
        assert not plan.read_whole, plan
        assert plan.rows_read <= MAX_ROWS_READ, plan


def test_every_filter_is_tested():
    for path, queries in QUERIES.items():
        tested = parse_qs("&".join([*queries, *OF_THE_BOARD.get(path, [])]))
        assert set(tested) - {"limit"} == LISTS[path], path


@pytest.mark.parametrize(
    "address",
    [
        "/assignments.csv?closedFrom=2024-05-01T00:00:00Z&closedTo=2024-05-02T00:00:00Z",
        "/assignments.csv?driverId=1&status=COMPLETED&closedTo=2024-01-03T00:00:00Z",
        "/stats/drivers?weeks=13",
        "/loads/99999/candidates",
    ],
)
def test_an_answer_about_a_time_reads_no_table_whole(history: History, address: str):
    """But that of drivers, which is small."""
    for plan in history.get(address)[1]:
        assert plan.read_whole <= {"drivers"}, plan


@pytest.mark.parametrize("query", ["limit=200", "type=load.commented", "type=driver.updated"])
def test_a_page_of_the_feed_reads_little_more_than_it_looks_at(history: History, query: str):
    plans = [*history.plans_of_the_feed(query), *history.get("/events?after=latest")[1]]
    for plan in plans:
        assert not plan.read_whole, plan
        assert plan.rows_read <= MAX_ROWS_READ, plan
    assert "ix_load_events_feed" in {name for plan in plans for name in plan.names}


def test_a_look_for_changes_reads_only_what_is_new(history: History):
    plans = history.plans_of_a_stream()
    assert sum(plan.rows_read for plan in plans) <= len(plans)
    assert "ix_load_events_transaction_id" in {name for plan in plans for name in plan.names}


def test_a_look_for_notifications_reads_only_what_is_due(history: History):
    plans = history.plans_of_notifications()
    assert [plan.names for plan in plans if "notified_at" in plan.statement]
    for plan in plans:
        assert not plan.read_whole, plan
        assert plan.rows_read == 0, plan
