"""The board on all screens and for everybody: accessibility, widths, and thousands of rows."""

import re

import pytest
from playwright.sync_api import expect

from tests.support.board import PHONE, Board
from tests.support.worker import wait_until

MAX_ROWS_IN_PAGE = 150
WIDTHS = (320, 375, 768, 1280, 2560)
NEXT_PAGE = re.compile(r"/loads\?.*cursor=")
# What fingers hit is measured: it is more than the box of a link, or is covered.
SMALL_TARGETS = """() => {
  const SIZE = 44;
  const found = [];
  for (const element of document.querySelectorAll("a[href], button, input, select, summary")) {
    if (!element.checkVisibility() || element.closest(".skip, .timeline")) continue;
    element.scrollIntoView({ block: "center", inline: "center" });
    const { left, right, top, bottom } = element.getBoundingClientRect();
    const [x, y] = [(left + right) / 2, (top + bottom) / 2];
    const target = element.type === "checkbox" ? element.labels[0] : element;
    const isHit = (x, y) => target.contains(document.elementFromPoint(x, y));
    const reach = (stepX, stepY) => {
      let steps = 0;
      while (steps < SIZE && isHit(x + steps * stepX, y + steps * stepY)) steps += 0.5;
      return steps;
    };
    if (!isHit(x, y)) continue;
    const [width, height] = [reach(-1, 0) + reach(1, 0), reach(0, -1) + reach(0, 1)];
    if (width < SIZE || height < SIZE) found.push([width, height, element.outerHTML]);
  }
  return found;
}"""
FITS = "document.documentElement.scrollWidth <= innerWidth"


@pytest.fixture
def billor(billor):
    """The system with something in each list, and long texts."""
    drivers = billor.make_drivers("Alexander" * 10, "Brianna Lopez", "Chen Wei " * 20)
    loads = [
        billor.client.make_load(origin="Laredo, TX", pickupAt="2001-01-01T00:00:00Z"),
        billor.client.make_load(origin="Town with a long name " * 8, reference="PO-1"),
        billor.client.make_load(destination="Laredo" * 30, deliverBy="2099-01-02T00:00:00Z"),
    ]
    assignment = billor.client.assign(drivers[0], loads[2]).body
    delay = {"kind": "DELAYED", "reason": "Snow " * 30, "expectedAt": "2099-01-03T00:00:00Z"}
    for check_in in ({"kind": "AT_PICKUP"}, delay):
        billor.client.post(f"/assignments/{assignment['id']}/check-ins", check_in)
    return billor


def test_every_page_fits_each_width_and_axe_finds_nothing_wrong(billor, open_board):
    (load,) = billor.client.get("/loads?status=ASSIGNED").body
    board = open_board()
    one = f"#/loads/{load['id']}"
    driver = f"#/drivers/{billor.client.get('/drivers').body[0]['id']}"
    for path in ("?q=o#/", one, "#/loads/999", "#/drivers", driver, "#/drivers/999", "#/stats"):
        board.page.goto(f"{billor.url}/board{path}")
        expect(board.page.get_by_role("heading", level=1).last).to_be_visible()
        expect_loaded(board)
        for summary in board.page.locator("summary:visible").all():
            summary.click()
        expect_loaded(board)
        assert board.axe_violations() == []
        for width in WIDTHS:
            board.page.set_viewport_size({"width": width, "height": 700})
            wait_until(lambda: board.page.evaluate(FITS))


def test_on_a_phone_targets_are_large(billor, open_board):
    (load,) = billor.client.get("/loads?status=ASSIGNED").body
    board = open_board(**PHONE)
    page = board.page
    paths = {
        "?show=road#/": ".road li",
        "#/drivers": "table",
        f"#/loads/{load['id']}": ".facts a",
        "?show=waiting#/": ".waiting li",
    }
    for path, part in paths.items():
        page.goto(f"{billor.url}/board{path}")
        expect(page.locator(part).first).to_be_visible()
        expect_loaded(board)
        assert page.evaluate(SMALL_TARGETS) == [], path
    page.get_by_role("button", name="Filter and sort").tap()
    assert page.evaluate(SMALL_TARGETS) == []


def test_a_list_can_be_read_at_400_percent(billor, open_board):
    board = open_board(viewport={"width": 320, "height": 200})  # as 1280 by 800 then are
    row = board.waiting.first
    row.scroll_into_view_if_needed()
    expect(row).to_be_in_viewport(ratio=1)
    assert board.page.locator(".rows").bounding_box()["height"] > 100


def expect_loaded(board: Board) -> None:
    expect(board.page.get_by_text("Loading …").locator("visible=true")).to_have_count(0)


def test_of_thousands_of_rows_few_are_in_the_page(billor, open_board):
    billor.empty()
    billor.make_many(loads=3_000, drivers=600)
    board = open_board()
    page = board.page
    expect(page.locator(".waiting .count")).to_have_text("3,000")
    expect(page.locator(".drivers .count")).to_have_text("600")
    page.route(NEXT_PAGE, lambda _held: None)
    page.reload()
    expect(board.waiting.first).to_be_visible()
    for count in (".waiting .count", ".places b >> nth=0", ".chips b >> nth=2"):
        expect(page.locator(count)).to_have_text("…")
    page.unroute(NEXT_PAGE)  # lets what was held go on
    expect(page.locator(".waiting .count")).to_have_text("3,000")
    rows = page.locator(".waiting .rows")
    for top in range(0, 100_000, 10_000):
        rows.evaluate("(rows, top) => rows.scrollTo(0, top)", top)
        assert page.locator("li").count() < MAX_ROWS_IN_PAGE
    drivers = page.locator(".drivers .rows")
    height = drivers.bounding_box()["height"]
    board.drag(board.waiting.first, board.drivers.first, drop=False)
    drivers.hover(position={"x": 40, "y": height - 20})
    wait_until(lambda: drivers.evaluate("rows => rows.scrollTop") > 1_000)
    page.keyboard.press("Escape")
    page.mouse.up()
    page.get_by_label("Search loads and drivers").fill("dallas")
    expect(page.locator(".waiting .of-total")).to_have_text("of 3,000")
    board.drag(board.waiting.first, board.drivers.first)
    expect(board.road).to_have_count(1)
    expect(page.locator(".pending")).to_have_count(0)
