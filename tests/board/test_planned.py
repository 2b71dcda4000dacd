"""The next load of a driver who is on the road: who takes it, and what becomes of it."""

import pytest
from playwright.sync_api import expect

from tests.support.board import MESSAGES_STAY, PHONE


@pytest.fixture
def billor(billor):
    """Alex is on the road to Denver; two loads wait, and Brianna and Chen are free."""
    client = billor.client
    billor.drivers = billor.make_drivers("Alex Carter", "Brianna Lopez", "Chen Wei")
    billor.loads = [
        client.make_load(origin="Laredo, TX", destination="Denver, CO"),
        client.make_load(origin="Denver, CO", destination="Miami, FL"),
        client.make_load(origin="Boise, ID", destination="Reno, NV"),
    ]
    client.patch(f"/loads/{billor.loads[0]['id']}", {"deliverBy": "2031-05-04T17:30:00Z"})
    billor.active = client.assign(billor.drivers[0], billor.loads[0]).body
    return billor


def current(billor) -> list[tuple[int, int, str]]:
    path = "/assignments?status=ASSIGNED&status=PLANNED"
    both = billor.client.get(path).body
    return sorted((each["loadId"], each["driverId"], each["status"]) for each in both)


def test_a_load_is_planned_and_becomes_active_when_the_one_before_ends(billor, open_board):
    alex, brianna, _ = (driver["id"] for driver in billor.drivers)
    first, second, third = (load["id"] for load in billor.loads)
    board = open_board(viewport={"width": 1440, "height": 800})
    other = open_board(color_scheme="dark")  # in a window of its own: hidden pages are slow
    page, toasts = board.page, board.page.locator(".toast")
    page.evaluate(MESSAGES_STAY)
    busy = page.get_by_role("list", name="Busy drivers").get_by_role("listitem")

    def press(name: str) -> None:
        page.get_by_role("button", name=name, exact=True).last.click()

    board.drag(board.waiting_load("Denver, CO to Miami"), busy.first)
    expect(busy).to_contain_text([f"free by May 4, 2031, 12:30 PM CDT {first}"])
    expect(busy).to_contain_text([f"Next {second}: Denver, CO"])
    for each in (board, other):
        expect(each.waiting_load("Denver, CO to Miami")).to_contain_text("next for Alex Carter")
    expect(page.get_by_role("button", name="Unassigned")).to_contain_text("1")
    board.drag(board.waiting_load("Boise"), board.road.first)
    expect(toasts.last).to_contain_text("The driver has a next load.")
    press("Undo")
    expect(other.waiting_load("Denver, CO to Miami")).not_to_contain_text("next for")
    assert current(billor) == [(first, alex, "ASSIGNED")]
    board.drag(board.waiting_load("Denver, CO to Miami"), board.road.first)
    expect(toasts.last).to_contain_text(f"Load {second} is next for Alex Carter.")
    page.goto(f"{billor.url}/board#/loads/{second}")
    press("Cancel the plan")
    expect(toasts.last).to_contain_text(f"Load {second} waits again.")
    press("Undo")
    expect(toasts.last).to_contain_text(f"Load {second} is next for Alex Carter.")
    page.goto(f"{billor.url}/board#/")
    assert board.axe_violations() == []

    board.road.get_by_role("button", name="Complete").click()
    page.get_by_role("dialog").get_by_role("button", name="Complete").click()
    expect(toasts.last).to_contain_text(f"Alex Carter's next load {second} is active now.")
    expect(board.road).to_contain_text(["Miami, FL"])
    assert current(billor) == [(second, alex, "ASSIGNED")]

    plan = billor.client.post("/assignments", {"driverId": alex, "loadId": third, "plan": True})
    assert plan.status == 201
    billor.client.patch(f"/drivers/{alex}", {"medicalExpiresOn": "2026-01-31"})
    page.goto(f"{billor.url}/board#/loads/{second}")
    press("Cancel assignment")
    expect(toasts.last).to_contain_text(f"load {third} stays planned: A paper of the driver has")
    page.goto(f"{billor.url}/board#/drivers/{alex}")
    expect(page.locator(".facts")).to_contain_text(f"{third}: Boise, ID")
    page.goto(f"{billor.url}/board#/loads/{third}")
    expect(page.locator(".page-head .status")).to_have_text("Planned")
    expect(page.locator(".timeline")).to_contain_text("as the next one for Alex Carter")
    press("Start now")
    expect(page.locator(".load-page .trouble")).to_contain_text("medical card expired")
    press("Give to another driver")
    board.drivers.filter(has_text="Brianna").get_by_role("button").click()
    expect(toasts.last).to_contain_text("moved to Brianna Lopez")
    assert current(billor) == [(third, brianna, "ASSIGNED")]


def test_a_phone_plans_for_who_could_best_take_a_load(billor, open_board):
    alex, brianna, chen = billor.drivers
    _, second, third = (load["id"] for load in billor.loads)
    ended = billor.client.make_load(destination="Boise, ID")
    billor.client.close_assignment(billor.client.assign(chen, ended).body["id"])
    board = open_board(**PHONE)
    page = board.page
    page.evaluate(MESSAGES_STAY)
    page.get_by_role("button", name="Busy 1").tap()
    expect(page.get_by_role("list", name="Busy drivers")).to_contain_text("Alex Carter")
    assert board.axe_violations() == []
    page.get_by_role("button", name="Waiting").tap()
    board.waiting_load("Boise").get_by_role("button").tap()
    expect(board.drivers).to_contain_text(["Chen Wei", "Brianna Lopez", "Alex Carter"])
    expect(board.drivers.first).to_contain_text("last load ended here · loads this week: 1")
    expect(board.drivers.last).to_contain_text("Plan as next: Alex Carter")
    page.get_by_label("Find a driver").fill("alex")
    board.drivers.get_by_role("button").tap()
    assert board.axe_violations() == []
    page.go_back()
    expect(page.get_by_role("dialog")).to_have_count(0)
    board.waiting_load("Boise").get_by_role("button").tap()
    board.drivers.filter(has_text="Alex Carter").get_by_role("button").tap()
    page.get_by_role("dialog").get_by_role("button", name="Plan as next").tap()
    expect(page.locator(".toast")).to_contain_text([f"Load {third} is next for Alex Carter."])

    # Somebody else was faster, so that Brianna is busy; the candidates do not come.
    page.route("**/candidates?*", lambda route: route.fulfill(status=404, json={}))
    board.before_request(
        "/assignments", "POST", lambda: billor.client.assign(brianna, billor.client.make_load())
    )
    board.waiting_load("Denver, CO to Miami").get_by_role("button").tap()
    expect(board.drivers).to_contain_text(["Brianna Lopez", "Chen Wei", "Alex Carter"])
    board.drivers.first.get_by_role("button").tap()
    page.get_by_role("button", name="Assign", exact=True).tap()
    expect(page.locator(".toast").last).to_contain_text("The driver has an active load.")
    page.unroute("**/assignments")
    page.get_by_role("button", name="Plan as next").tap()
    expect(page.locator(".toast").last).to_contain_text("is next for Brianna Lopez.")
    planned = [(second, brianna["id"], "PLANNED"), (third, alex["id"], "PLANNED")]
    assert [row for row in current(billor) if row[2] == "PLANNED"] == planned
