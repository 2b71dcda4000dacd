"""The board for everybody, and with much on it: accessibility, and thousands of rows."""

import pytest
from playwright.sync_api import expect

from tests.support.board import PHONE, Board
from tests.support.worker import wait_until

MOST_MILLISECONDS = 200
ATTEMPTS = 3
FITS = "document.documentElement.scrollWidth <= innerWidth"
# Also what began before the script ran.
RECORD_LONG_TASKS = """
  window.longTasks = [];
  new PerformanceObserver((list) => {
    window.longTasks.push(...list.getEntries().map((entry) => entry.duration));
  }).observe({type: "longtask", buffered: true});
"""


@pytest.fixture
def billor(billor):
    """The system with something in each place, a refusal, and long texts."""
    drivers = billor.make_drivers("Alex Carter", "Brianna Lopez", "Chen Wei " * 20)
    loads = [
        billor.client.make_load(origin="Laredo, TX", pickupAt="2001-01-01T00:00:00Z"),
        billor.client.make_load(origin="Town with a long name " * 8, reference="PO-1"),
        billor.client.make_load(deliverBy="2099-01-02T00:00:00Z"),
    ]
    billor.client.assign(drivers[0], loads[2])
    return billor


def refuse_an_assignment(board: Board, billor) -> None:
    """Have a refusal shown at a load."""
    driver = billor.client.get("/drivers?available=true").body[-1]

    def be_faster() -> None:
        billor.client.assign(driver, billor.client.make_load())

    board.before_request("/assignments", "POST", be_faster)
    board.waiting_load("Laredo").get_by_role("button").click()
    board.drivers.filter(has_text=driver["name"]).get_by_role("button").click()
    expect(board.page.locator(".trouble")).to_be_visible()


def test_axe_finds_nothing_wrong_on_the_board(billor, open_board):
    board = open_board()
    expect(board.waiting).to_have_count(2)
    refuse_an_assignment(board, billor)
    board.waiting_load("Laredo").get_by_role("button").first.click()
    assert board.axe_violations() == []
    board.page.keyboard.press("Escape")
    board.page.get_by_role("button", name="New load").click()
    board.page.get_by_role("button", name="Create load").click()
    expect(board.page.get_by_text("Missing data").first).to_be_visible()
    assert board.axe_violations() == []


@pytest.mark.parametrize("path", ["/board#/loads/1", "/board#/stats", "/board?q=o"])
def test_axe_finds_nothing_wrong_on_other_pages(billor, open_board, path: str):
    load = billor.client.get("/loads?status=ASSIGNED").body[0]
    board = open_board(path=path.replace("/1", f"/{load['id']}"))
    expect(board.page.get_by_role("heading", level=1).last).to_be_visible()
    expect(board.page.get_by_text("Loading …").locator("visible=true")).to_have_count(0)
    for summary in board.page.locator("summary:visible").all():
        summary.click()
    expect(board.page.get_by_text("Loading …").locator("visible=true")).to_have_count(0)
    assert board.axe_violations() == []


def test_axe_finds_nothing_wrong_on_a_phone(billor, open_board):
    board = open_board(**PHONE)
    expect(board.waiting).to_have_count(2)
    assert board.axe_violations() == []
    board.waiting.first.get_by_role("button").tap()
    board.drivers.first.get_by_role("button").tap()
    expect(board.page.get_by_role("group", name="Confirm")).to_be_visible()
    assert board.axe_violations() == []


def test_axe_finds_nothing_wrong_on_the_login(billor, open_board):
    board = open_board(email=None)
    expect(board.page.get_by_label("Email")).to_be_visible()
    assert board.axe_violations() == []


def test_no_page_scrolls_sideways(billor, open_board):
    board = open_board()
    for path in ("#/", "#/loads/2", "#/stats"):
        board.page.goto(f"{billor.url}/board{path}")
        expect(board.page.get_by_text("Loading …").locator("visible=true")).to_have_count(0)
        for width in (320, 375, 768, 1280, 2560):
            board.page.set_viewport_size({"width": width, "height": 700})
            wait_until(lambda: board.page.evaluate(FITS))


@pytest.mark.slow
def test_thousands_of_rows_never_block_the_main_thread(billor, open_board):
    billor.empty()
    billor.make_many(loads=5_000, drivers=1_000)
    longest = []
    for _ in range(ATTEMPTS):  # another process may have had the core
        longest.append(_longest_task(open_board))
        if longest[-1] < MOST_MILLISECONDS:
            return
    pytest.fail(f"tasks of {longest} ms")


def _longest_task(open_board) -> float:
    """Load, scroll, search, choose and drag among thousands of rows."""
    board = open_board()
    page = board.page
    page.add_init_script(RECORD_LONG_TASKS)
    page.reload()
    expect(page.locator(".waiting .count")).to_have_text("5,000")
    expect(page.locator(".drivers .count")).to_have_text("1,000")
    assert page.locator("li").count() < 150
    rows = page.locator(".waiting .rows")
    for top in range(0, 200_000, 10_000):
        rows.evaluate("(rows, top) => rows.scrollTo(0, top)", top)
    page.get_by_label("Search loads and drivers").press_sequentially("dallas")
    expect(page.locator(".waiting .of-total")).to_have_text("of 5,000")
    board.waiting.first.get_by_role("button").click()
    page.keyboard.press("Escape")
    board.drag(board.waiting.first, board.drivers.first)
    expect(page.locator(".pending")).to_have_count(0)
    board.road.get_by_role("button", name="More about load").first.click()
    page.get_by_role("menuitem", name="Cancel the assignment").click()
    expect(board.road).to_have_count(0)
    return max(page.evaluate("window.longTasks"), default=0)
