"""What is late, and when: deadlines, the company's time zone, and how dates are written."""

import re

from playwright.sync_api import Locator, Route, expect

TUESDAY, SUNDAY = "2031-05-06T15:00:00Z", "2031-05-11T15:00:00Z"  # 10 o'clock in Chicago


def test_times_are_those_of_the_company_and_name_its_zone_on_their_date(billor, open_board):
    board = open_board()
    page = board.page

    def handle(route: Route) -> None:
        """Answer as a company with another `TIME_ZONE` than this browser's gets it."""
        answer = route.fetch()
        zone = 'name="time-zone" content="America/New_York"'
        route.fulfill(
            response=answer, body=answer.text().replace('name="time-zone" content=""', zone)
        )

    page.route(re.compile("/board$"), handle)
    page.reload()
    page.get_by_role("button", name="New load").click()
    form = page.get_by_role("dialog")
    pickup, delivery = form.get_by_label("Pickup"), form.get_by_label("Deliver by")
    for label in ("From", "To", "Cargo type"):
        form.get_by_label(label).fill("Apples")
    expect(form).to_contain_text("Pickup (ET)")
    pickup.fill("2031-03-09T02:30")
    form.get_by_role("button", name="Create load").click()
    expect(pickup).to_have_accessible_description(
        "There is no such time that day: clocks go forward then."
    )
    assert board.writes == []
    pickup.fill("2031-07-04T08:30")
    expect(form).to_contain_text("Pickup (EDT)")
    delivery.fill("2031-11-02T01:30")  # the first of two
    expect(form).to_contain_text("Deliver by (EDT)")
    form.get_by_role("button", name="Create load").click()
    expect(board.waiting).to_contain_text("Jul 4, 2031, 8:30 AM EDT")
    (load,) = billor.client.get("/loads").body
    assert load["pickupAt"].startswith("2031-07-04T12:30:00")
    assert load["deliverBy"].startswith("2031-11-02T05:30:00")

    second = {"deliverBy": "2031-11-02T06:30:30Z"}
    assert billor.client.patch(f"/loads/{load['id']}", second).status == 200
    expect(board.waiting).to_contain_text("by Nov 2, 2031, 1:30 AM EST")
    page.goto(f"{billor.url}/board#/loads/{load['id']}")
    expect(page.locator(".facts")).to_contain_text("Nov 2, 2031, 1:30 AM EST")
    expect(page.locator(".load-page")).to_contain_text("Times are in America/New_York.")
    page.get_by_role("button", name="Change").click()
    expect(delivery).to_have_value("2031-11-02T01:30")
    form.get_by_label("Reference").fill("PO-1")
    form.get_by_role("button", name="Save").click()
    expect(page.locator(".facts")).to_contain_text("PO-1")
    assert (
        billor.client.get(f"/loads/{load['id']}")
        .body["deliverBy"]
        .startswith("2031-11-02T06:30:30")
    )


def test_loads_become_due_soon_and_late_while_one_looks(billor, open_board):
    def make_load(origin: str, **times: str) -> dict:
        return billor.client.make_load(origin=origin, **times)

    make_load("Mobile")
    make_load("Reno", pickupAt="2031-05-06T14:00:00Z")
    window = {"pickupAt": "2031-05-06T14:30:00Z", "pickupTo": "2031-05-12T15:00:00Z"}
    make_load("Austin", **window, deliverBy="2032-01-05T15:00:00Z")
    loads = [
        make_load("Omaha"),
        make_load("Chicago", pickupAt=SUNDAY, deliverBy=SUNDAY),
        make_load("Laredo", deliverBy="2031-05-06T17:30:00Z"),
        make_load("Memphis", deliverBy="2031-05-02T15:00:00Z"),
    ]
    for driver, load in zip(billor.make_drivers("A", "B", "C", "D"), loads, strict=True):
        billor.client.assign(driver, load)
    board = open_board(reduced_motion="reduce")  # a context of its own, since its clock is set
    page = board.page
    page.clock.install(time=TUESDAY)
    page.reload()
    laredo = board.road.filter(has_text="Laredo")
    chips = page.get_by_role("group", name="Show only").get_by_role("button")

    def expect_order(rows: Locator, *texts: str) -> None:
        expect(rows).to_contain_text(list(texts))
        expect(rows).to_have_count(len(texts))

    expect(chips).to_have_text(["Late2", "Due soon0", "Unassigned3"])
    expect_order(board.waiting, "Pickup 1 h 00 late", "9:30 AM CDT", "Mobile")
    expect(board.waiting.nth(1)).to_contain_text("by Jan 5, 2032, 9:00 AM CST")
    expect_order(board.road, "Late by 4 d 0 h", "by 12:30 PM CDT", "by Sun, 10:00 AM CDT", "Omaha")
    expect(board.road.first).to_contain_text("by May 2, 10:00 AM CDT")
    page.clock.fast_forward("01:00:00")
    expect(laredo.locator(".soon")).to_contain_text("Due in 1 h")
    expect(chips.nth(1)).to_have_text("Due soon1")
    page.clock.fast_forward("02:00:00")
    expect(laredo.locator(".late")).to_contain_text("Late by")

    chips.first.click()
    expect(chips.first).to_have_text("Late3")
    expect_order(board.waiting, "Reno")
    expect_order(board.road, "Memphis", "Laredo")
    expect(board.drivers).to_have_count(0)
    chips.nth(2).click()
    expect(board.waiting).to_have_count(3)
    expect(board.road).to_have_count(0)
    page.go_back()
    expect(board.road).to_have_count(2)
    chips.first.click()
    for sort, order in {
        "Waiting time": ("Mobile", "Reno", "Austin"),
        "Delivery": ("Austin", "Mobile", "Reno"),
        "Pickup": ("Reno", "Austin", "Mobile"),
    }.items():
        page.get_by_label("Sort by").select_option(sort)
        expect_order(board.waiting, *order)
    page.reload()
    expect(page.get_by_label("Sort by")).to_have_value("pickup")

    page.goto(f"{billor.url}/board#/loads/{loads[2]['id']}")
    expect(page.locator(".facts .late")).to_contain_text("Late by")
