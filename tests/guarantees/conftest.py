"""Services for fault injection, and the system over them."""

import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.launcher import services
from tests.support.pooler import pgbouncer
from tests.support.system import Api, Service, System, start_postgresql

API_PROCESSES = 3


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory) -> Iterator[Service]:
    """A migrated PostgreSQL."""
    service = start_postgresql(tmp_path_factory.mktemp("postgresql"))
    yield service
    service.stop()


def start_pooler(postgresql: Service, folder: Path) -> Service:
    """Start PgBouncer in front of it."""
    program = pgbouncer(folder / "pgbouncer", postgresql.settings["DATABASE_URL"])
    return Service(program, folder)


@pytest.fixture(scope="session")
def redis(tmp_path_factory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("redis")
    service = Service(services.redis(folder), folder)
    yield service
    service.stop()


@pytest.fixture(scope="session")
def pubsub(tmp_path_factory) -> Iterator[Service]:
    program = services.pubsub_emulator()
    if program is None:
        pytest.skip("Google's Pub/Sub emulator is not installed: guarantees are NOT tested on it")
    service = Service(program, tmp_path_factory.mktemp("pubsub"))
    yield service
    service.stop()


@pytest.fixture
def system(postgresql, redis, pubsub, tmp_path, compiled) -> Iterator[System]:
    """A system with its own topic and CouchDB, none of its processes started."""
    settings = postgresql.settings | redis.settings | pubsub.settings
    with System(settings, tmp_path, compiled) as system:
        yield system


@pytest.fixture
def system_without_bus(postgresql, redis, tmp_path, compiled) -> Iterator[System]:
    """The same without the emulator, for tests of the API alone."""
    with System(postgresql.settings | redis.settings, tmp_path, compiled) as system:
        yield system


@pytest.fixture(scope="module")
def shared_system(postgresql, redis, tmp_path_factory, compiled) -> Iterator[System]:
    """The same, for all tests of a module."""
    folder = tmp_path_factory.mktemp("system")
    with System(postgresql.settings | redis.settings, folder, compiled) as system:
        yield system


@pytest.fixture(scope="module")
def api(shared_system) -> Api:
    """The shared system's API, with all its processes serving."""
    return shared_system.start_whole_api(API_PROCESSES)


@pytest.fixture
def many_files():
    """Raise the limit of open files, of which every connection is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
