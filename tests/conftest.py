"""Shared fixtures: a real, migrated PostgreSQL and a real Redis, the app over them, clients.

Services are embedded ones, started once a session, unless TEST_DATABASE_URL or TEST_REDIS_URL
names others. Code under test commits for real; tables and Redis are emptied after each test.
"""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask, has_app_context
from playwright.sync_api import Browser
from sqlalchemy import text

from billor import create_app
from billor.cache import cache
from billor.config import Config, load_config
from billor.database import upgrade
from billor.models import db
from scripts.launcher import services
from scripts.launcher.processes import Child, Program
from tests.support.apps import client_with_token, close_connections
from tests.support.browser import chromium
from tests.support.client import ApiClient
from tests.support.couchdb_server import FakeCouchDB
from tests.support.databases import ADMIN_PASSWORD, as_admin
from tests.support.exported import exported_here
from tests.support.redis_wire import RedisWire
from tests.support.statements import StatementRecorder
from tests.support.system import System

QUICK_FOLDERS = ("api", "unit")
LONG_FILES = (
    *("test_launcher.py", "test_offline.py", "test_live.py", "test_worker.py", "test_quality.py"),
    *("test_clean_stops.py", "test_one_active_load.py", "test_dispatching.py"),
)
DEMO_EMAIL = "demo@billor.example"
DEMO_PASSWORD = "demo-password"
# Faster than TRUNCATE for the few rows that a test makes; the order is that of foreign keys.
EMPTY_TABLES = "".join(
    f"DELETE FROM {table}; "  # noqa: S608
    for table in reversed(db.metadata.sorted_tables)
) + "".join(
    f"ALTER TABLE {table} ALTER id RESTART; "
    for table in db.metadata.sorted_tables
    if "id" in table.c and table.c.id.identity is not None
)

# A shell ignores it for what it runs in the background, and so would all that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(trylast=True)  # after the tests were shuffled
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the quick files last: with a long one at the end, all processes would wait for it."""

    def turn(item: pytest.Item) -> tuple[bool, bool]:
        return item.path.parent.name in QUICK_FOLDERS, item.path.name not in LONG_FILES

    items.sort(key=turn)


@pytest.fixture(scope="session")
def start_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Program], Child]]:
    """Start a program, wait until it is ready, and stop it at the end of the session."""
    children: list[Child] = []
    folder = tmp_path_factory.mktemp("services")

    def start(program: Program) -> Child:
        children.append(Child(program, folder / f"logs-{len(children)}"))
        children[-1].wait_until_ready()
        return children[-1]

    yield start
    for child in reversed(children):
        child.stop()


@pytest.fixture(scope="session")
def postgresql_url(start_service, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An empty database's URL."""
    if url := os.environ.get("TEST_DATABASE_URL"):
        return url
    folder = tmp_path_factory.mktemp("postgresql") / "data"
    program = services.postgresql(folder, ADMIN_PASSWORD, "test-password", durable=False)
    start_service(program)
    url = program.settings["DATABASE_URL"]
    with as_admin(url) as cursor:
        cursor.execute(f"ALTER ROLE {services.ROLE} CREATEDB")  # for tests with their own
    return url


@pytest.fixture(scope="session")
def redis_url(start_service, tmp_path_factory: pytest.TempPathFactory) -> str:
    if url := os.environ.get("TEST_REDIS_URL"):
        return url
    program = services.redis(tmp_path_factory.mktemp("redis"))
    start_service(program)
    return program.settings["REDIS_URL"]


@pytest.fixture(scope="session")
def emulator_settings(start_service) -> dict[str, str]:
    """PUBSUB_PROJECT_ID and PUBSUB_EMULATOR_HOST of Google's emulator, started for the session."""
    program = services.pubsub_emulator()
    if program is None:
        pytest.skip("Google's Pub/Sub emulator is not installed: the Pub/Sub bus is NOT tested")
    start_service(program)
    return dict(program.settings)


@pytest.fixture(scope="session")
def settings(
    postgresql_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """The environment of the app under test: in-process bus, audit documents in SQLite."""
    return {
        "DATABASE_URL": postgresql_url,
        "REDIS_URL": redis_url,
        "BILLOR_HOME": str(tmp_path_factory.mktemp("home")),
        "JWT_SECRET_KEY": "a-key-for-tests-only-0123456789abcdef",
        "PUSH_PRIVATE_KEY": "A" * 42 + "E",
        "DEMO_EMAIL": DEMO_EMAIL,
        "DEMO_PASSWORD": DEMO_PASSWORD,
    }


@pytest.fixture(scope="session")
def config(settings: dict[str, str]) -> Config:
    return load_config(settings)


@pytest.fixture(scope="session")
def _migrated_app(config: Config) -> Iterator[Flask]:
    with pytest.MonkeyPatch.context() as patched:  # 0.2 s is short beside busy processes
        patched.setattr("billor.cache.TIMEOUT_SECONDS", 1)
        app = create_app(config)
    with app.app_context():
        upgrade()
    yield app
    close_connections(app)


@pytest.fixture
def app(_migrated_app: Flask) -> Iterator[Flask]:
    """The app on empty tables, an empty Redis and an empty audit store."""
    _migrated_app.extensions.pop("readiness", None)
    _migrated_app.extensions["cached_users"].clear()
    yield _migrated_app
    assert not has_app_context(), "the test has left a context, and with it a transaction, behind"
    with _migrated_app.app_context():
        db.session.rollback()
        db.session.execute(text(EMPTY_TABLES))
        db.session.commit()
        _migrated_app.extensions["pages"].invalidate()  # also ends a pause
        cache.cache.client.flushdb()
        config: Config = _migrated_app.config["BILLOR"]
    for file in Path(config.home).glob("audit.sqlite3*"):
        file.unlink()


@pytest.fixture
def context(app: Flask) -> Iterator[None]:
    """An application context, for tests that call services."""
    with app.app_context():
        yield


@pytest.fixture
def anonymous(app: Flask) -> ApiClient:
    """A client without a token."""
    return ApiClient(app.test_client())


@pytest.fixture
def client(app: Flask) -> ApiClient:
    """A client with the token of the only user, an admin."""
    return client_with_token(app, "Demo Dispatcher", DEMO_EMAIL, password=DEMO_PASSWORD)


@pytest.fixture
def couch() -> Iterator[FakeCouchDB]:
    """A CouchDB in this process."""
    with FakeCouchDB() as couch:
        yield couch
    assert not couch.surprises, "\n".join(couch.surprises)


@pytest.fixture
def seeded_system(app: Flask, settings: dict[str, str], tmp_path: Path, compiled: Path):
    """Billor in processes of its own, on the rows of `flask seed`.

    `app` empties the tables afterwards. Its token outlives the longest test.
    """
    settings = settings | {"ACCESS_TOKEN_SECONDS": "604800"}
    with System(settings, tmp_path, compiled) as system:
        seeded = system.app.test_cli_runner().invoke(args=["seed"])
        assert seeded.exit_code == 0, seeded.output
        yield system


@pytest.fixture
def statements(app: Flask) -> StatementRecorder:
    """Records the SQL statements that are sent while it is used as a context manager."""
    return StatementRecorder(app)


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> RedisWire:
    """The connection to Redis, recorded and cut at will."""
    return RedisWire(monkeypatch)


@pytest.fixture
def counted() -> Callable[..., float]:
    """How much an exported sum has grown since the test began."""
    before = exported_here()
    return lambda name, **labels: exported_here().sum(name, **labels) - before.sum(name, **labels)


@pytest.fixture(scope="session")
def compiled(pytestconfig: pytest.Config) -> Path:
    """Where the bytecode of other processes is, if nothing else keeps it."""
    return pytestconfig.cache.mkdir("compiled")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The only one of a process: Playwright cannot run twice."""
    with chromium() as browser:
        yield browser
