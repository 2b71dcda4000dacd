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
# Origin, destination, cargo type, hours until the pickup, and until the delivery.
LOADS = [
    ("Salt Lake City, UT", "Laredo, TX", "Refrigerated", -1.2, 20),
    ("Denver, CO", "Houston, TX", "Livestock", 0.6, 14),
    ("Atlanta, GA", "Indianapolis, IN", "Dry van", 2, 16),
    ("Sacramento, CA", "Memphis, TN", "Flatbed", 2.4, 40),
    ("Savannah, GA", "Oklahoma City, OK", "Intermodal container", 4.8, 30),
    ("Jacksonville, FL", "Richmond, VA", "Tanker", 5.5, 17),
    ("Minneapolis, MN", "Seattle, WA", "Dry van", 9, 48),
    ("Tampa, FL", "Chicago, IL", "Car hauler", 11, 37),
    ("Laredo, TX", "Reno, NV", "Step deck", 16, 52),
    ("Portland, OR", "Boise, ID", "Flatbed", 22, 32),
]
ON_THE_ROAD = [
    ("Angela Castillo", "Chicago, IL", "Omaha, NE"),
    ("Carlos Moore", "Birmingham, AL", "Denver, CO"),
    ("Victor Green", "Spokane, WA", "Little Rock, AR"),
    ("Carla Patel", "Boise, ID", "El Paso, TX"),
    ("Hank White", "Miami, FL", "Chicago, IL"),
    ("Maria Brooks", "Boston, MA", "Newark, NJ"),
]
FREE = ["Alex Carter", "Ben Cruz", "Brianna Lopez", "Chen Wei", "Karen Scott", "Lena Perez"]


def main() -> None:
    """Start everything, make a day's work, and take the picture."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        billor = BoardSystem(stack.enter_context(_system(stack, folder)))
        _make_work(billor)
        contexts = Contexts(stack.enter_context(chromium("the picture is")))
        board = Board(contexts, billor, viewport={"width": 1200, "height": 660})
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
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)

    def at(hours: float) -> str:
        return f"{now + timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}"

    for number, (origin, destination, cargo, pickup, delivery) in enumerate(LOADS):
        billor.client.make_load(
            origin=origin,
            destination=destination,
            cargoType=cargo,
            reference=f"PO-{4020 + number}",
            pickupAt=at(pickup),
            deliverBy=at(delivery),
        )
    for number, (name, origin, destination) in enumerate(ON_THE_ROAD):
        load = billor.client.make_load(
            origin=origin,
            destination=destination,
            reference=f"PO-{4010 + number}",
            pickupAt=at(number - 4),
            deliverBy=at(number + 12),
        )
        driver = billor.client.make_driver(f"TX-48210{number}7", name)
        billor.client.assign(driver, load)
    for number, name in enumerate(FREE):
        billor.client.make_driver(f"TX-57{number}0914", name)


def _take_picture(board: Board) -> None:
    """Take the whole board, while a load is dragged."""
    expect(board.road).to_have_count(len(ON_THE_ROAD))
    board.expect_live()
    board.waiting.nth(2).hover(position={"x": 120, "y": 20})
    board.page.mouse.down()
    board.drivers.nth(2).hover()
    board.drivers.nth(2).hover(position={"x": 30, "y": 22})
    board.page.screenshot(path=PICTURE, animations="disabled")


if __name__ == "__main__":
    main()
