"""Dispatching on the board: by mouse and by keyboard; test_planned does so on a phone."""

import re

import pytest
from playwright.sync_api import FloatRect, Locator, Route, expect

from tests.support.board import MESSAGES_STAY


@pytest.fixture
def billor(billor):
    """The system with two loads and three drivers."""
    billor.loads = [
        billor.client.make_load(origin="Laredo, TX", destination="Denver, CO"),
        billor.client.make_load(origin="Memphis, TN", destination="Miami, FL"),
    ]
    billor.drivers = billor.make_drivers("Alex Carter", "Brianna Lopez", "Chen Wei")
    return billor


def active(billor) -> list[tuple[int, int]]:
    """The load and the driver of each active assignment."""
    reply = billor.client.get("/assignments?status=ASSIGNED")
    return [(assignment["loadId"], assignment["driverId"]) for assignment in reply.body]


def status_of(billor, load: dict) -> str:
    return billor.client.get(f"/loads/{load['id']}").body["status"]


def drag_laredo_to_chen(board) -> None:
    board.drag(board.waiting_load("Laredo"), board.drivers.filter(has_text="Chen Wei"))


def expect_settled(board) -> None:
    expect(board.page.locator(".pending")).to_have_count(0)


def test_loads_and_drivers_are_dragged_onto_each_other(billor, open_board):
    _, brianna, chen = billor.drivers
    laredo, memphis = billor.loads
    board = open_board()
    page = board.page

    def row(name: str) -> Locator:
        return board.drivers.filter(has_text=name)

    board.drag(row("Alex Carter"), board.waiting_load("Laredo"))
    expect(board.road).to_contain_text(["Alex Carter"])
    expect_settled(board)
    other = billor.client.assign(chen, memphis).body["id"]
    by_chen = board.road.filter(has_text="Chen Wei")
    board.drag(by_chen, board.road.filter(has_text="Alex Carter"))
    expect(page.locator(".toast").last).to_contain_text("Alex Carter is on the road with load")
    billor.client.close_assignment(other, "CANCELLED")
    expect(by_chen).to_have_count(0)
    board.drag(row("Brianna Lopez"), board.road.first)
    expect(board.road).to_contain_text(["Brianna Lopez"])
    expect_settled(board)
    assert active(billor) == [(laredo["id"], brianna["id"])]

    back = page.get_by_role("dialog", name="Give load")
    board.drag(board.road.first, board.waiting_load("Memphis"))
    back.get_by_role("button", name="Back", exact=True).click()
    assert active(billor) == [(laredo["id"], brianna["id"])]
    board.drag(board.road.first, page.get_by_role("list", name="Waiting loads"))
    back.get_by_role("button", name="Give back").click()
    expect(board.waiting).to_have_count(2)
    expect_settled(board)
    assert active(billor) == []


def test_a_list_that_moves_changes_nothing_about_what_was_meant(billor, open_board):
    alex, brianna, _ = billor.drivers
    laredo, memphis = billor.loads
    board = open_board()
    page, mouse = board.page, board.page.mouse
    board.expect_live()
    page.evaluate(MESSAGES_STAY)
    # What is held back for a moment is held back until this test lets it go.
    page.evaluate(
        """() => {
          const { animate } = Element.prototype;
          Element.prototype.animate = function(frames) { return animate.call(this, frames, 1e9); };
        }"""
    )

    def let_go() -> None:
        page.evaluate("document.getAnimations().forEach((animation) => animation.finish())")

    board.drag(board.waiting_load("Laredo"), board.drivers.nth(1), drop=False)
    billor.client.make_driver("TX-11", "Aaron Above")
    expect(board.drivers).to_have_count(4)
    mouse.up()
    expect(board.road).to_contain_text(["Brianna Lopez"])
    expect_settled(board)
    assert active(billor) == [(laredo["id"], brianna["id"])]

    let_go()
    board.waiting_load("Memphis").get_by_role("button").click()
    expect(board.drivers.first).to_contain_text("loads this week")
    let_go()
    board.drivers.nth(2).hover()  # Chen Wei
    mouse.down()
    billor.client.patch(f"/drivers/{alex['id']}", {"status": "INACTIVE"})
    expect(board.drivers).to_have_count(3)  # with Brianna, who is busy
    mouse.up()
    mouse.down()
    mouse.up()
    let_go()
    board.drivers.filter(has_text="Aaron Above").get_by_role("button").click()
    expect(board.road).to_have_count(2)
    expect_settled(board)
    aaron = billor.client.get("/drivers?q=aaron").body[0]
    assert (memphis["id"], aaron["id"]) in active(billor)

    def click_at(box: FloatRect | None) -> None:
        assert box is not None
        mouse.click(box["x"] + 10, box["y"] + 10)
        expect_settled(board)

    undo = page.get_by_role("button", name="Undo")
    expect(undo).to_have_count(2)
    let_go()
    place = undo.last.bounding_box()
    click_at(place)
    expect(undo).to_have_count(1)  # the other load's comes there
    click_at(place)
    assert active(billor) == [(laredo["id"], brianna["id"])]
    page.goto(f"{billor.url}/board#/loads/{laredo['id']}")
    expect(page.get_by_role("button", name="Cancel assignment")).to_be_visible()
    let_go()
    path = f"/assignments?status=ASSIGNED&driverId={brianna['id']}"
    billor.client.close_assignment(billor.client.get(path).body[0]["id"], "CANCELLED")
    cancel = page.get_by_role("button", name="Cancel load")
    expect(cancel).to_be_visible()
    click_at(cancel.bounding_box())
    assert status_of(billor, laredo) == "OPEN"


def test_a_key_is_not_pressed_for_the_driver_in_another_ones_place(billor, open_board):
    board = open_board()
    board.expect_live()
    board.page.evaluate("performance.now = () => 1e9")  # no time passes
    board.waiting_load("Laredo").get_by_role("button").press("Enter")
    buttons = board.drivers.get_by_role("button")
    expect(buttons.first).to_be_focused()
    billor.client.assign(billor.drivers[0], billor.loads[1])
    expect(buttons.filter(has_text="Brianna Lopez")).to_be_focused()
    board.page.keyboard.press("Enter")
    expect(board.page.locator(".choosing-head")).to_be_visible()
    assert board.writes == []


def test_what_was_done_can_be_undone(billor, open_board):
    chen = billor.drivers[2]
    load, _ = billor.loads
    board = open_board()
    page = board.page
    page.evaluate(MESSAGES_STAY)
    more = board.road.get_by_role("button", name="More about load")

    def undo(text: str) -> None:
        expect(page.locator(".toast")).to_contain_text([text])
        page.get_by_role("button", name="Undo").click()
        expect_settled(board)

    drag_laredo_to_chen(board)
    undo("assigned to Chen Wei")
    expect(board.waiting).to_have_count(2)
    assert active(billor) == []

    billor.client.assign(chen, load)
    board.road.get_by_role("button", name="Complete").click()
    page.get_by_role("dialog").get_by_role("button", name="Complete").click()
    undo("completed")
    expect(board.road).to_contain_text(["Chen Wei"])
    more.click()
    page.get_by_role("menuitem", name="Cancel assignment").click()
    undo("waits again")
    expect(board.road).to_contain_text(["Chen Wei"])
    more.click()
    page.get_by_role("menuitem", name="Give to another driver").click()
    board.drivers.filter(has_text="Alex Carter").get_by_role("button").click()
    undo("moved to Alex Carter")
    expect(board.road).to_contain_text(["Chen Wei"])
    assert active(billor) == [(load["id"], chen["id"])]

    page.goto(f"{billor.url}/board#/loads/{billor.loads[1]['id']}")
    page.get_by_role("button", name="Cancel load").click()
    undo("cancelled")
    expect(page.locator(".page-head .status")).to_have_text("Waiting")
    assert status_of(billor, billor.loads[1]) == "OPEN"
    page.get_by_role("button", name="Cancel load").press("Enter")
    expect(page.get_by_role("button", name="Copy")).to_be_focused()
    page.get_by_role("button", name="Reopen").click()
    expect(page.locator(".timeline")).to_contain_text("Dana Dispatcher reopened the load.")
    expect(page.locator(".page-head .status")).to_have_text("Waiting")
    assert status_of(billor, billor.loads[1]) == "OPEN"


def test_a_load_is_assigned_with_the_keyboard_alone(billor, open_board):
    board = open_board()
    keyboard = board.page.keyboard
    board.waiting.first.get_by_role("button").press("Enter")
    expect(board.page.locator("[aria-live=polite]")).to_contain_text("Choose a driver")
    assert board.axe_violations() == []
    keyboard.press("Escape")
    expect(board.page.locator(".choosing-head")).to_have_count(0)
    board.waiting.first.get_by_role("button").focus()
    keyboard.press("ArrowDown")
    keyboard.press("Enter")
    expect(board.drivers.first.get_by_role("button")).to_be_focused()
    keyboard.press("ArrowDown")
    expect(board.drivers.nth(1).get_by_role("button")).to_be_focused()
    keyboard.press("Enter")
    expect(board.road).to_contain_text(["Brianna Lopez"])
    expect_settled(board)
    assert active(billor) == [(billor.loads[1]["id"], billor.drivers[1]["id"])]
    expect(board.waiting.first.get_by_role("button")).to_be_focused()
    board.road.first.get_by_role("button", name="Complete").press("Enter")
    expect(board.page.get_by_role("dialog").get_by_role("button").last).to_be_focused()
    keyboard.press("Enter")
    expect(board.page.locator(".road .rows")).to_be_focused()


def test_a_double_click_assigns_once_and_shows_it_before_the_answer(billor, open_board):
    board = open_board()
    board.expect_live()
    held: list[Route] = []
    board.page.route("**/assignments", lambda route: held.append(route))
    board.waiting_load("Laredo").get_by_role("button").click()
    with board.page.expect_request("**/assignments"):
        board.drivers.filter(has_text="Chen Wei").get_by_role("button").dblclick()
    expect(board.road).to_contain_text(["Chen Wei"])
    expect(board.waiting).to_have_count(1)
    assert active(billor) == []
    (request,) = held
    request.continue_()
    expect_settled(board)
    assert board.writes == ["POST assignments"]


def test_a_refused_assignment_is_taken_back_with_the_reason(billor, open_board):
    _, other = billor.loads
    chen = billor.drivers[2]
    board = open_board()
    board.before_request("/assignments", "POST", lambda: billor.client.assign(chen, other))
    drag_laredo_to_chen(board)
    row = board.waiting_load("Laredo")
    expect(row).to_contain_text("The driver has an active load.")
    expect(row).to_contain_text(re.compile(r"by .+, \d+:\d\d"))
    row.get_by_role("link", name="Chen Wei: load").click()
    expect(board.page.get_by_role("heading", name="Memphis, TN to Miami, FL")).to_be_visible()
    assert (other["id"], chen["id"]) in active(billor)
