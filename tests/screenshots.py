"""The README's picture of the board: `make screenshots`."""

import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

from playwright.sync_api import expect

from scripts.launcher import services
from scripts.launcher.launcher import PROJECT
from tests.support.board import Board, BoardSystem, Contexts
from tests.support.browser import chromium
from tests.support.system import Service, System, start_postgresql

PICTURE = PROJECT / "docs" / "images" / "board.png"
ON_THE_ROAD = 6


def main() -> None:
    """Start everything, make a day's work, and take the picture."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        billor = BoardSystem(stack.enter_context(_system(stack, folder)))
        _make_work(billor)
        contexts = Contexts(stack.enter_context(chromium()))
        board = Board(contexts, billor, viewport={"width": 1280, "height": 700})
        _take_picture(board)
        board.close()


def _system(stack: ExitStack, folder: Path) -> System:
    postgresql = start_postgresql(folder / "postgresql")
    redis = Service(services.redis(folder), folder)
    for service in (postgresql, redis):
        stack.callback(service.stop)
    (folder / "system").mkdir()
    return System(postgresql.settings | redis.settings, folder / "system", folder / "compiled")


def _make_work(billor: BoardSystem) -> None:
    billor.make_many(loads=16, drivers=12)
    loads = billor.client.get("/loads?status=OPEN").body
    drivers = billor.client.get("/drivers?available=true").body
    now = datetime.now(UTC)
    for load, hours in zip(loads, (-0.5, 1.5), strict=False):  # one is late, one is due soon
        times = {"pickupAt": now + timedelta(hours=hours - 20)}
        times["deliverBy"] = now + timedelta(hours=hours)
        windows = {"pickupTo": None, "deliverFrom": None}
        body = windows | {name: time.isoformat() for name, time in times.items()}
        assert billor.client.patch(f"/loads/{load['id']}", body).status == 200
    for driver, load in zip(drivers[:ON_THE_ROAD], loads[:ON_THE_ROAD], strict=True):
        assert billor.client.assign(driver, load).status == 201


def _take_picture(board: Board) -> None:
    """Take the whole board, while a load is dragged."""
    expect(board.road).to_have_count(ON_THE_ROAD)
    board.expect_live()
    board.waiting.nth(2).hover(position={"x": 120, "y": 20})
    board.page.mouse.down()
    board.drivers.nth(2).hover()
    board.drivers.nth(2).hover(position={"x": 30, "y": 22})
    board.page.screenshot(path=PICTURE, animations="disabled")


if __name__ == "__main__":
    main()
