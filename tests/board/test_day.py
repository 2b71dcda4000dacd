"""A load's whole day, on two dispatchers' boards and on a driver's phone."""

import re

from playwright.sync_api import expect

from billor.models import Role
from tests.support.board import DRIVER_EMAIL, PHONE
from tests.support.worker import wait_until

OLGA = "olga.other@billor.example"
SMALL_PHONE = PHONE | {"viewport": {"width": 390, "height": 844}}
NOT_ANY_MORE = re.compile("Expected|Next for|Progress")
STEPS = (
    ("LOAD_CREATED", "Dana"),
    ("LOAD_PLANNED", "Dana Dispatcher"),
    ("ASSIGNED", "Robin Reed"),
    ("ACCEPTED", "Robin Reed"),
    ("AT_PICKUP", "Robin Reed"),
    ("DELAYED", "Robin Reed"),
    ("LOADED", "Olga Other"),
    ("AT_DELIVERY", "Robin Reed"),
    ("LOAD_COMPLETED", "Robin Reed"),
    ("ASSIGNMENT_REOPENED", "Dana Dispatcher"),
    ("LOAD_COMPLETED", "Robin Reed"),
)


def step(entry: dict) -> tuple[str, str]:
    """What was done, and by whom; of what drivers say, both times must be known."""
    payload = entry["payload"]
    user = entry.get("user") or payload["user"]
    if (check_in := payload.get("checkIn")) is None:
        return entry["type"], user["name"]
    assert check_in["happenedAt"] <= check_in["receivedAt"] <= entry["timestamp"]
    return check_in["kind"], user["name"]


def test_a_load_is_planned_driven_delivered_reopened_and_completed(billor, open_board):
    (driver,) = billor.make_drivers("Robin Reed")
    billor.make_user("Robin Reed", DRIVER_EMAIL, Role.DRIVER, driver["id"])
    active = billor.client.assign(driver, billor.client.make_load(origin="Reno, NV")).body
    billor.client.post(f"/assignments/{active['id']}/check-ins", {"kind": "AT_DELIVERY"})
    billor.make_user("Olga Other", OLGA)
    robin, dana = open_board(email=DRIVER_EMAIL, **SMALL_PHONE), open_board()
    olga = open_board(email=OLGA, color_scheme="dark")  # a window of its own
    load = billor.client.make_load(origin="Laredo, TX", destination="Denver, CO")
    phone, dialog = robin.page, robin.page.get_by_role("dialog")
    heading, done = phone.get_by_role("heading", level=1), phone.get_by_label("Steps done")

    def tap(*names: str) -> None:
        for name in names:
            phone.get_by_role("button", name=name, exact=True).tap()

    def on_both_boards(text: str) -> None:
        for board in (dana, olga):
            expect(board.road).to_contain_text([text])

    dana.drag(dana.waiting_load("Laredo"), dana.road.first)
    expect(olga.waiting_load("Laredo")).to_contain_text("next for Robin Reed")
    expect(phone.get_by_text("Next: Laredo, TX to Denver, CO")).to_be_visible()

    tap("Delivered", "Yes, delivered")
    expect(heading).to_have_text("Laredo, TX to Denver, CO")
    on_both_boards("Laredo, TX")

    tap("Accept")
    on_both_boards("Accepted")
    tap("At pickup")
    on_both_boards("At pickup for")
    expect(done.get_by_role("listitem")).to_contain_text(["Accepted", "At pickup"])

    tap("Delayed")
    dialog.get_by_label("Reason").select_option("Traffic")
    dialog.get_by_label("Expected delivery").fill("2031-05-06T10:00")
    dialog.get_by_role("button", name="Delayed").tap()
    on_both_boards("Delayed: Traffic")
    on_both_boards("May 6, 2031")
    expect(done).to_contain_text("10:00 AM CDT: Traffic")

    olga.road.get_by_role("button", name="More about load").click()
    olga.page.get_by_role("menuitem", name="Check in for the driver").click()
    olga.page.get_by_role("dialog").get_by_role("button", name="Check in").click()
    on_both_boards("Loaded")
    expect(done).to_contain_text("Olga Other")

    tap("At delivery")
    on_both_boards("At delivery for")
    tap("Delivered", "Yes, delivered")
    expect(heading).to_have_text("No load now")
    for board in (dana, olga):
        expect(board.road).to_have_count(0)

    dana.page.goto(f"{billor.url}/board#/loads/{load['id']}")
    dana.page.get_by_role("button", name="Reopen").click()
    reason = dana.page.get_by_role("dialog", name="Reopen load")
    reason.get_by_label("Reason").fill("The papers are not signed")
    reason.get_by_role("button", name="Reopen").click()
    expect(heading).to_have_text("Laredo, TX to Denver, CO")
    expect(olga.road).to_contain_text(["At delivery for"])
    tap("Delivered", "Yes, delivered")
    expect(heading).to_have_text("No load now")
    expect(dana.page.locator(".page-head .status")).to_have_text("Completed")
    expect(olga.road).to_have_count(0)

    expect(dana.page.locator(".facts")).not_to_contain_text(NOT_ANY_MORE)
    told = dana.page.locator(".timeline li")
    expect(told).to_have_count(len(STEPS))
    expect(told.nth(2)).to_contain_text("Robin Reed started the planned load of Robin Reed.")

    def recorded() -> list[dict]:
        return billor.client.get(f"/audit?loadId={load['id']}&limit=200").body[::-1]

    billor.start_worker()
    wait_until(lambda: len(recorded()) == len(STEPS))
    timeline = billor.client.get(f"/loads/{load['id']}/timeline?limit=200").body
    for trail in (timeline, recorded()):
        assert tuple(map(step, trail)) == STEPS
        check_ins = [entry["payload"].get("checkIn") for entry in trail]
        happened = [check_in["happenedAt"] for check_in in check_ins if check_in]
        assert happened == sorted(happened)
