"""What is late, and when: deadlines, the company's time zone, and how dates are written."""

import re

from playwright.sync_api import Page, Route, expect


def set_company_zone(page: Page, zone: str) -> None:
    """Load the page again as a company with this `TIME_ZONE` gets it."""

    def handle(route: Route) -> None:
        answer = route.fetch()
        body = answer.text().replace(
            'name="time-zone" content=""', f'name="time-zone" content="{zone}"'
        )
        route.fulfill(response=answer, body=body)

    page.route(re.compile("/board$"), handle)
    page.reload()


def test_times_are_those_of_the_company_and_name_its_zone_on_their_date(billor, open_board):
    board = open_board()
    page = board.page
    set_company_zone(page, "America/New_York")  # this browser is in America/Chicago
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
