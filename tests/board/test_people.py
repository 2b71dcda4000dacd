"""Pages of people and drivers."""

import pytest
from playwright.sync_api import Page, expect

from billor.models import Role
from tests.board.test_quality import FITS
from tests.support.worker import wait_until

ADMIN_EMAIL = "ada.admin@billor.example"
HISTORY = (
    "created Robin",
    "invited Robin",
    "changed the password of Robin",
    "deactivated Robin",
    "brought back Robin",
    "changed the role of Robin to Dispatcher",
)


@pytest.fixture(autouse=True)
def admin(billor):
    billor.make_user("Ada Admin", ADMIN_EMAIL, role=Role.ADMIN)


def choose(page: Page, name: str, item: str) -> None:
    page.get_by_role("button", name=f"More about {name}").click()
    page.get_by_role("menuitem", name=item).click()


def test_an_admin_creates_people_and_decides_who_may_log_in(billor, open_board):
    (driver,) = billor.make_drivers("Chen Wei")
    board = open_board(path="/board#/people", email=ADMIN_EMAIL)
    page, dialog = board.page, board.page.get_by_role("dialog")
    credentials = {"email": "robin@billor.example", "password": "not-set-yet"}

    def login() -> int:
        return billor.client.post("/auth/login", credentials).status

    page.get_by_role("button", name="New person").click()
    dialog.get_by_label("Role").select_option("Driver")
    page.keyboard.press("Escape")
    page.get_by_role("dialog", name="Discard").get_by_role("button", name="Back").click()
    dialog.get_by_label("Name").fill("Robin")
    dialog.get_by_label("Email").fill(credentials["email"])
    dialog.get_by_role("button", name="Create").click()
    expect(dialog.get_by_label("Driver")).to_have_attribute("aria-invalid", "true")
    dialog.get_by_label("Driver").select_option(f"Chen Wei, {driver['licenseNumber']}")
    assert board.axe_violations() == []
    dialog.get_by_role("button", name="Create").click()
    row = page.get_by_role("row").filter(has_text="robin@billor.example")
    expect(row.get_by_role("link", name="Chen Wei")).to_be_visible()
    expect(row).to_contain_text("never")
    assert login() == 401

    choose(page, "Robin", "Set a new password")
    credentials["password"] = "a-password-to-tell"
    dialog.get_by_label("Password").fill(credentials["password"])
    dialog.get_by_role("button", name="Set password").click()
    expect(dialog).to_have_count(0)
    assert login() == 200

    choose(page, "Robin", "Deactivate")
    dialog.get_by_role("button", name="Deactivate").click()
    expect(row).to_contain_text("inactive")
    expect(row).not_to_contain_text("never")
    assert login() == 401
    choose(page, "Robin", "Bring back")
    expect(row).not_to_contain_text("inactive")
    assert login() == 200

    choose(page, "Robin", "Change")
    dialog.get_by_label("Role").select_option("Dispatcher")
    dialog.get_by_role("button", name="Save").click()
    expect(row).to_contain_text("Dispatcher")

    billor.start_worker()
    for sentence in HISTORY:
        entry = page.get_by_role("listitem").filter(has_text=sentence)
        expect(entry).to_contain_text("Ada Admin")
    page.set_viewport_size({"width": 375, "height": 740})
    wait_until(lambda: page.evaluate(FITS))


def test_who_forgot_the_password_sets_a_new_one_behind_a_link(billor, open_board):
    board = open_board(email=None)
    page, link = board.page, billor.url + billor.link_of_mail(ADMIN_EMAIL)
    page.get_by_label("Email").fill(ADMIN_EMAIL)
    page.get_by_role("button", name="Forgot your password?").click()
    assert board.axe_violations() == []
    page.get_by_role("button", name="Mail me a link").click()
    expect(page.get_by_role("status")).to_contain_text("If there is an account")
    for password, expected in (
        ("password", page.get_by_text("one of the most common")),
        ("behind-the-link", page.get_by_role("status").filter(has_text="is set")),
        ("another-password", page.get_by_role("alert").filter(has_text="was used before")),
    ):
        page.goto(link)
        page.get_by_label("New password").fill(password)
        assert page.url == f"{billor.url}/board"
        page.get_by_role("button", name="Set password").click()
        expect(expected).to_be_visible()
    page.get_by_role("button", name="Back to the login").click()
    expect(page.get_by_label("Email")).to_have_value(ADMIN_EMAIL)
    page.get_by_label("Password").fill("behind-the-link")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("button", name="Account of Ada")).to_be_visible()


def test_a_driver_has_a_page_and_can_be_sent_away_and_brought_back(billor, open_board):
    alex, _ = billor.make_drivers("Alex Carter", "Brianna Lopez")
    past, now = (billor.client.make_load(origin=place) for place in ("Laredo, TX", "Reno, NV"))
    assignment = billor.client.assign(alex, past).body
    billor.client.close_assignment(assignment["id"])
    billor.client.assign(alex, now)
    board = open_board()
    page, dialog = board.page, board.page.get_by_role("dialog")
    board.road.get_by_role("link", name="Alex Carter").click()
    expect(page.get_by_role("heading", name="Alex Carter")).to_be_visible()
    expect(page.locator(".facts")).to_contain_text("Reno, NV")
    expect(page.get_by_role("row").filter(has_text="Laredo, TX")).to_contain_text("Completed")

    page.get_by_role("button", name="Change").click()
    dialog.get_by_label("Name").fill("Alexandra Carter")
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Alexandra Carter")).to_be_visible()
    page.get_by_role("button", name="Deactivate").click()
    dialog.get_by_role("button", name="Deactivate").click()
    expect(page.locator(".status")).to_have_text("Inactive")

    page.get_by_role("link", name="Drivers").last.click()
    rows = page.get_by_role("table").get_by_role("row")
    expect(rows).to_have_count(2)
    expect(rows.last).to_contain_text("Brianna Lopez")
    page.get_by_role("button", name="Inactive").click()
    expect(rows.last).to_contain_text("Alexandra Carter")
    page.get_by_label("Find a driver").fill("nobody")
    expect(page.get_by_text("No driver is found.")).to_be_visible()
    page.get_by_label("Find a driver").fill("ALEXANDRA")
    rows.get_by_role("link", name="Alexandra Carter").click()
    page.get_by_role("button", name="Bring back").click()
    expect(page.locator(".status")).to_have_text("On the road")
