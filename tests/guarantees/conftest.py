"""Services of these tests' own, since faults are done to them, and the system over them."""

from collections.abc import Iterator

import pytest

from billor.embedded import services
from tests.support.system import Api, Service, System, start_postgresql

API_PROCESSES = 3


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory) -> Iterator[Service]:
    """Migrated."""
    service = start_postgresql(tmp_path_factory.mktemp("postgresql"))
    yield service
    service.stop()


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
def compiled(pytestconfig):
    return pytestconfig.cache.mkdir("compiled")


@pytest.fixture
def system(postgresql, redis, pubsub, tmp_path, compiled) -> Iterator[System]:
    """With a topic and a CouchDB of the test's own; nothing of it runs yet."""
    settings = postgresql.settings | redis.settings | pubsub.settings
    with System(settings, tmp_path, compiled) as system:
        yield system


@pytest.fixture
def system_without_bus(postgresql, redis, tmp_path, compiled) -> Iterator[System]:
    """The same for tests of the API alone: needs no emulator."""
    with System(postgresql.settings | redis.settings, tmp_path, compiled) as system:
        yield system


@pytest.fixture(scope="module")
def shared_system(postgresql, redis, tmp_path_factory, pytestconfig) -> Iterator[System]:
    """The same, for all tests of a module."""
    folder = tmp_path_factory.mktemp("system")
    compiled = pytestconfig.cache.mkdir("compiled")
    with System(postgresql.settings | redis.settings, folder, compiled) as system:
        yield system


@pytest.fixture(scope="module")
def api(shared_system) -> Api:
    """Of the shared system, with all its processes at work."""
    return shared_system.start_whole_api(API_PROCESSES)
