"""A driver's own page, on a phone and on a bad connection."""

import pytest
from playwright.sync_api import expect

from billor.models import Role
from tests.board.test_dispatching import status_of
from tests.support.board import DRIVER_EMAIL, PHONE


@pytest.fixture
def billor(billor):
    """The system with a driver who may log in, and who has a load."""
    billor.drivers = billor.make_drivers("Robin Reed")
    billor.make_user("Robin Reed", DRIVER_EMAIL, Role.DRIVER, billor.drivers[0]["id"])
    billor.load = billor.client.make_load(origin="Laredo, TX", pickupAt="2031-05-04T13:30:00Z")
    billor.client.assign(billor.drivers[0], billor.load)
    return billor


@pytest.fixture
def phone(billor, open_board):
    return open_board(email=DRIVER_EMAIL, **PHONE)


def deliver(phone) -> None:
    phone.page.get_by_role("button", name="Delivered").tap()
    phone.page.get_by_role("button", name="Yes, delivered").tap()


def test_a_driver_completes_the_load_and_the_next_appears_by_itself(billor, phone):
    page = phone.page
    expect(page.get_by_role("heading", level=1)).to_have_text("Laredo, TX to Atlanta, GA")
    expect(page.get_by_text("May 4, 2031, 8:30 AM CDT")).to_be_visible()
    assert phone.axe_violations() == []
    page.get_by_role("button", name="Delivered").tap()
    assert phone.axe_violations() == []
    page.get_by_role("button", name="Yes, delivered").tap()
    expect(page.get_by_role("heading", name="No load now")).to_be_visible()
    expect(page.locator(".past li")).to_contain_text(["Laredo, TX"])
    assert status_of(billor, billor.load) == "COMPLETED"
    billor.client.assign(billor.drivers[0], billor.client.make_load(origin="Memphis, TN"))
    expect(page.get_by_role("heading", level=1)).to_contain_text("Memphis, TN")


def test_a_delivery_without_a_connection_is_sent_later(billor, phone):
    expect(phone.page.get_by_role("button", name="Delivered")).to_be_visible()
    phone.context.set_offline(True)
    deliver(phone)
    expect(phone.page.get_by_text("It will be sent when you are online again")).to_be_visible()
    assert status_of(billor, billor.load) == "ASSIGNED"
    phone.context.set_offline(False)
    expect(phone.page.get_by_role("heading", name="No load now")).to_be_visible()
    assert status_of(billor, billor.load) == "COMPLETED"


def test_a_lost_answer_does_not_complete_the_next_load(billor, phone):
    following = billor.client.make_load(origin="Memphis, TN")
    keys = phone.lose_first_answer(
        "/me/assignment/status",
        "PATCH",
        then=lambda: billor.client.assign(billor.drivers[0], following),
    )
    deliver(phone)
    expect(phone.page.get_by_role("heading", level=1)).to_contain_text("Memphis, TN")
    assert (len(keys), len(set(keys))) == (2, 1)
    assert status_of(billor, billor.load) == "COMPLETED"
    assert status_of(billor, following) == "ASSIGNED"


def test_a_load_that_was_replaced_meanwhile_is_not_completed(billor, phone):
    following = billor.client.make_load(origin="Memphis, TN")

    def replace() -> None:
        (active,) = billor.client.get("/assignments?status=ASSIGNED").body
        billor.client.close_assignment(active["id"], "CANCELLED")
        billor.client.assign(billor.drivers[0], following)

    phone.before_request("/me/assignment/status", "PATCH", replace)
    deliver(phone)
    expect(phone.page.get_by_role("alert")).to_contain_text("Your load has changed meanwhile.")
    expect(phone.page.get_by_role("heading", level=1)).to_contain_text("Memphis, TN")
    assert status_of(billor, following) == "ASSIGNED"


def test_a_question_ends_when_the_load_that_it_is_about_is_replaced(billor, phone):
    page = phone.page
    page.get_by_role("button", name="Delivered").tap()
    expect(page.get_by_role("dialog")).to_contain_text(f"Load {billor.load['id']}: Laredo, TX")
    (active,) = billor.client.get("/assignments?status=ASSIGNED").body
    billor.client.close_assignment(active["id"], "CANCELLED")
    billor.client.assign(billor.drivers[0], billor.client.make_load(origin="Memphis, TN"))
    expect(page.locator(".toast")).to_contain_text(["Your load has changed meanwhile."])
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("heading", level=1)).to_contain_text("Memphis, TN")
    assert phone.writes == []


def test_a_translated_page_shows_and_completes_the_load_that_came_since(billor, phone):
    page = phone.page
    heading = page.get_by_role("heading", level=1)
    expect(heading).to_be_visible()
    phone.translate()
    expect(heading).to_contain_text("«Laredo, TX»")
    following = billor.client.make_load(origin="Memphis, TN", destination="Reno, NV")
    (active,) = billor.client.get("/assignments?status=ASSIGNED").body
    billor.client.close_assignment(active["id"], "CANCELLED")
    billor.client.assign(billor.drivers[0], following)
    expect(heading).to_contain_text("Memphis, TN")
    expect(heading).to_contain_text("Reno, NV")
    expect(page.locator("main")).to_contain_text(f"Load {following['id']}")
    expect(page.locator(".my-load")).not_to_contain_text("Laredo, TX")
    with page.expect_request("**/me/assignment/status") as sent:
        page.locator(".huge").tap()
        page.locator("dialog .primary").tap()
    assert sent.value.headers["if-match"]
    expect(page.locator(".no-load")).to_be_visible()
    assert status_of(billor, following) == "COMPLETED"
    assert status_of(billor, billor.load) == "OPEN"
