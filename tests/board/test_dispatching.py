"""Dispatching on the board: by mouse, by keyboard, and by touch on a phone."""

import pytest
from playwright.sync_api import Route, expect

from tests.support.board import PHONE
from tests.support.worker import wait_until


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


def test_a_load_dragged_onto_a_driver_is_assigned(billor, open_board):
    board = open_board()
    board.drag(board.waiting_load("Laredo"), board.drivers.filter(has_text="Chen Wei"))
    expect(board.road).to_contain_text(["Chen Wei"])
    expect(board.road).to_contain_text(["Laredo, TX"])
    expect(board.waiting).to_have_count(1)
    expect(board.drivers).to_have_count(2)
    expect(board.road.get_by_role("button", name="Complete")).to_be_enabled()
    assert active(billor) == [(billor.loads[0]["id"], billor.drivers[2]["id"])]


def test_a_load_is_assigned_with_the_keyboard_alone(billor, open_board):
    board = open_board()
    keyboard = board.page.keyboard
    board.waiting.first.get_by_role("button").focus()
    keyboard.press("ArrowDown")
    keyboard.press("Enter")
    expect(board.drivers.first.get_by_role("button")).to_be_focused()
    keyboard.press("ArrowDown")
    expect(board.drivers.nth(1).get_by_role("button")).to_be_focused()
    keyboard.press("Enter")
    expect(board.road).to_contain_text(["Brianna Lopez"])
    expect(board.road.get_by_role("button", name="Complete")).to_be_enabled()
    assert active(billor) == [(billor.loads[1]["id"], billor.drivers[1]["id"])]


def test_the_choice_of_a_driver_begins_when_the_drivers_have_come(open_board):
    board = open_board()
    held: list[Route] = []
    board.page.route("**/drivers?*", lambda route: held.append(route), times=1)
    board.page.reload()
    board.waiting.first.get_by_role("button").press("Enter")
    expect(board.page.locator(".choosing-head")).to_be_visible()
    held.pop().continue_()
    expect(board.drivers.first.get_by_role("button")).to_be_focused()


def test_escape_ends_the_choice_of_a_driver(billor, open_board):
    board = open_board()
    board.waiting.first.get_by_role("button").press("Enter")
    expect(board.page.locator(".choosing-head")).to_be_visible()
    expect(board.page.locator("[aria-live=polite]")).to_contain_text("Choose a driver")
    board.page.keyboard.press("Escape")
    expect(board.page.locator(".choosing-head")).to_have_count(0)
    assert active(billor) == []


def test_a_phone_assigns_by_taps_and_confirms(billor, open_board):
    board = open_board(**PHONE)
    board.waiting_load("Laredo").get_by_role("button").tap()
    board.drivers.filter(has_text="Chen Wei").get_by_role("button").tap()
    assert active(billor) == []
    board.page.get_by_role("button", name="Assign", exact=True).tap()
    expect(board.waiting).to_have_count(1)
    board.page.get_by_role("button", name="Road").tap()
    expect(board.road).to_contain_text(["Chen Wei"])
    expect(board.road.get_by_role("button", name="Complete")).to_be_enabled()
    assert active(billor) == [(billor.loads[0]["id"], billor.drivers[2]["id"])]


def test_an_action_is_shown_before_the_answer(billor, open_board):
    board = open_board()
    held = board.hold("/assignments", "POST")
    board.drag(board.waiting_load("Laredo"), board.drivers.filter(has_text="Chen Wei"))
    expect(board.road).to_contain_text(["Chen Wei"])
    expect(board.waiting).to_have_count(1)
    assert active(billor) == []
    board.continue_one(held)
    expect(board.road.get_by_role("button", name="Complete")).to_be_enabled()


def test_a_refused_assignment_is_taken_back_with_the_reason(billor, open_board):
    _, other = billor.loads
    chen = billor.drivers[2]
    board = open_board()
    board.before_request("/assignments", "POST", lambda: billor.client.assign(chen, other))
    board.drag(board.waiting_load("Laredo"), board.drivers.filter(has_text="Chen Wei"))
    row = board.waiting_load("Laredo")
    expect(row).to_contain_text("The driver has an active load.")
    row.get_by_role("link", name="Chen Wei: load").click()
    expect(board.page.get_by_role("heading", name="Memphis, TN to Miami, FL")).to_be_visible()
    assert active(billor) == [(other["id"], chen["id"])]


def test_a_double_click_assigns_once(billor, open_board):
    board = open_board()
    held = board.hold("/assignments", "POST")
    board.waiting_load("Laredo").get_by_role("button").click()
    board.drivers.filter(has_text="Chen Wei").get_by_role("button").dblclick()
    expect(board.road).to_contain_text(["Chen Wei"])
    board.continue_one(held)
    expect(board.road.get_by_role("button", name="Complete")).to_be_enabled()
    assert board.writes == ["POST assignments"]


def test_a_lost_answer_is_asked_for_again_with_the_same_key(billor, open_board):
    board = open_board()
    keys: list[str] = []

    def lose_the_first(route) -> None:
        if route.request.method == "POST":
            keys.append(route.request.headers["idempotency-key"])
            if len(keys) == 1:
                route.fetch()
                route.abort("connectionreset")
                return
        route.continue_()

    board.page.route("**/assignments", lose_the_first)
    board.drag(board.waiting_load("Laredo"), board.drivers.filter(has_text="Chen Wei"))
    expect(board.road.get_by_role("button", name="Complete")).to_be_enabled()
    expect(board.page.locator(".trouble")).to_have_count(0)
    assert len(keys) == 2
    assert len(set(keys)) == 1
    assert len(active(billor)) == 1


def test_a_load_on_the_road_is_completed(billor, open_board):
    billor.client.assign(billor.drivers[2], billor.loads[0])
    board = open_board()
    board.road.get_by_role("button", name="Complete").click()
    with board.page.expect_response("**/status"):
        board.page.get_by_role("dialog").get_by_role("button", name="Complete").click()
    expect(board.road).to_have_count(0)
    expect(board.drivers).to_have_count(3)
    expect(board.page.locator(".pending")).to_have_count(0)
    expect(board.waiting).to_have_count(1)
    assert billor.client.get(f"/loads/{billor.loads[0]['id']}").body["status"] == "COMPLETED"


def test_a_load_on_the_road_gets_another_driver(billor, open_board):
    billor.client.assign(billor.drivers[2], billor.loads[0])
    board = open_board()
    board.road.get_by_role("button", name="More about load").click()
    board.page.get_by_role("menuitem", name="Give to another driver").click()
    board.drivers.filter(has_text="Alex Carter").get_by_role("button").click()
    expect(board.road).to_contain_text(["Alex Carter"])
    expect(board.drivers.filter(has_text="Chen Wei")).to_have_count(1)
    expect(board.road.get_by_role("button", name="Complete")).to_be_enabled()
    assert active(billor) == [(billor.loads[0]["id"], billor.drivers[0]["id"])]


def test_a_cancelled_assignment_lets_the_load_wait_again(billor, open_board):
    billor.client.assign(billor.drivers[2], billor.loads[0])
    board = open_board()
    board.road.get_by_role("button", name="More about load").click()
    board.page.get_by_role("menuitem", name="Cancel the assignment").click()
    expect(board.waiting).to_have_count(2)
    expect(board.drivers).to_have_count(3)
    expect(board.page.locator(".pending")).to_have_count(0)
    assert active(billor) == []


def test_a_load_is_cancelled_and_reopened_on_its_page(billor, open_board):
    board = open_board(path=f"/board#/loads/{billor.loads[0]['id']}")
    page = board.page
    page.get_by_role("button", name="Cancel load").click()
    page.get_by_role("button", name="Reopen").click()
    expect(page.get_by_role("button", name="Cancel load")).to_be_visible()
    expect(page.locator(".timeline li")).to_contain_text(
        [
            " created the load.",
            "Dana Dispatcher cancelled the load.",
            "Dana Dispatcher reopened the load.",
        ]
    )


def test_a_changed_load_shows_what_was_before(billor, open_board):
    board = open_board(path=f"/board#/loads/{billor.loads[0]['id']}")
    page = board.page
    page.get_by_role("button", name="Change").click()
    page.get_by_role("dialog").get_by_label("To").fill("Boise, ID")
    page.get_by_label("Pickup").fill("2031-05-04T08:30")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Laredo, TX to Boise, ID")).to_be_visible()
    expect(page.locator(".facts")).to_contain_text("May 4, 2031, 8:30 AM CDT")
    expect(page.locator(".timeline")).to_contain_text("destination from Denver, CO to Boise, ID")
    stored = billor.client.get(f"/loads/{billor.loads[0]['id']}").body
    assert stored["pickupAt"] == "2031-05-04T13:30:00.000000Z"


def test_the_audit_trail_of_a_load_is_on_its_page(billor, open_board):
    billor.start_worker()
    wait_until(lambda: billor.client.get("/audit").body)
    board = open_board(path=f"/board#/loads/{billor.loads[0]['id']}")
    board.page.get_by_text("Audit trail").click()
    expect(board.page.get_by_role("cell", name="LOAD_CREATED")).to_be_visible()


def test_waiting_loads_are_soonest_first_and_the_overdue_are_marked(billor, open_board):
    times = {"Tomorrow, TX": "2099-01-02T00:00:00Z", "Yesterday, TX": "2001-01-01T00:00:00Z"}
    for origin, time in times.items():
        billor.client.make_load(origin=origin, pickupAt=time)
    board = open_board()
    expect(board.waiting).to_contain_text(["Yesterday", "Tomorrow", "Laredo", "Memphis"])
    expect(board.waiting.first).to_contain_text("overdue")
    expect(board.page.get_by_text("1 overdue")).to_be_visible()
