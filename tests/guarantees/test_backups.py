"""Guarantee 15: what a backup has comes back, once, though all else is destroyed under load."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.support.databases import own_database
from tests.support.disaster import lose_and_restore
from tests.support.system import System, migrate


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def doomed_settings(stack, settings) -> dict[str, str]:
    """Settings with a database of the test's own, and the in-process bus."""
    doomed = stack.enter_context(own_database(settings))
    migrate(doomed["DATABASE_URL"])
    return doomed


@pytest.fixture
def doomed(stack, doomed_settings, tmp_path, compiled) -> System:
    return stack.enter_context(System(doomed_settings, tmp_path, compiled))


@pytest.fixture
def doomed_on_pubsub(stack, doomed_settings, pubsub, tmp_path, compiled) -> System:
    return stack.enter_context(System(doomed_settings | pubsub.settings, tmp_path, compiled))


def test_a_destroyed_system_is_restored_and_goes_on(doomed, tmp_path):
    lose_and_restore(doomed, tmp_path / "backup", dispatchers=1, rounds=5)


@pytest.mark.slow
def test_messages_of_what_is_no_more_are_not_recorded(doomed_on_pubsub, tmp_path):
    """The bus keeps messages of changes that the backup does not have."""
    lose_and_restore(doomed_on_pubsub, tmp_path / "backup", dispatchers=4, rounds=40)
