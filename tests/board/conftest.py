"""One system; a test opens as many boards as it needs."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser

from billor.models import Role
from tests.support.board import DRIVER_EMAIL, Board, BoardSystem, Contexts
from tests.support.databases import own_database
from tests.support.system import System, migrate


@pytest.fixture(scope="session")
def board_system(settings, tmp_path_factory, compiled) -> Iterator[BoardSystem]:
    """A system with a database of its own, since it outlives the tests of other folders."""
    with own_database(settings) as own:
        migrate(own["DATABASE_URL"])
        with System(own, tmp_path_factory.mktemp("board"), compiled) as system:
            yield BoardSystem(system)


@pytest.fixture
def billor(board_system: BoardSystem) -> Iterator[BoardSystem]:
    """The system without loads and drivers."""
    yield board_system
    board_system.empty()


@pytest.fixture
def with_driver(billor: BoardSystem) -> BoardSystem:
    """The same with a driver who may log in, and who has a load."""
    billor.drivers = billor.make_drivers("Robin Reed")
    billor.make_user("Robin Reed", DRIVER_EMAIL, Role.DRIVER, billor.drivers[0]["id"])
    fields = {"pickupAt": "2031-05-04T13:30:00Z", "pickupPhone": "(214) 555-0123"}
    billor.load = billor.client.make_load(origin="Laredo, TX", notes="Call first", **fields)
    billor.assignment = billor.client.assign(billor.drivers[0], billor.load).body
    return billor


@pytest.fixture(scope="module")
def contexts(browser: Browser) -> Iterator[Contexts]:
    contexts = Contexts(browser)
    yield contexts
    contexts.close()


@pytest.fixture
def open_board(billor: BoardSystem, contexts: Contexts) -> Iterator[Callable[..., Board]]:
    """Open the board in a page of its own, as another user would; see `Board` for the options."""
    opened: list[Board] = []

    def open_one(**options) -> Board:
        opened.append(Board(contexts, billor, **options))
        return opened[-1]

    yield open_one
    for board in opened:
        board.close()
