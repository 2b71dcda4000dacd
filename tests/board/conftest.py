"""One system and one browser for each file; a test opens as many boards as it needs."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import Browser

from tests.support.board import Board, BoardSystem, Contexts
from tests.support.browser import chromium
from tests.support.system import System, empty_tables

NO_OTHER_HOST = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium("the board is", NO_OTHER_HOST) as browser:
        yield browser


@pytest.fixture(scope="module")
def board_system(
    _migrated_app: Flask,
    settings: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
    compiled: Path,
) -> Iterator[BoardSystem]:
    with System(settings, tmp_path_factory.mktemp("board"), compiled) as system:
        yield BoardSystem(system)
    with _migrated_app.app_context():
        empty_tables()


@pytest.fixture
def billor(board_system: BoardSystem) -> Iterator[BoardSystem]:
    """The system without loads and drivers."""
    yield board_system
    board_system.empty()


@pytest.fixture(scope="module")
def contexts(browser: Browser) -> Contexts:
    return Contexts(browser)


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
