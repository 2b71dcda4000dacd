"""A driver's own page, on a phone and on a bad connection."""

import pytest
from playwright.sync_api import expect

from tests.board.test_dispatching import status_of
from tests.board.test_quality import FITS, SMALL_TARGETS
from tests.support.board import DRIVER_EMAIL, KEPT, PHONE
from tests.support.photos import PDF

MAY_LEAVE = "dispatchEvent(new Event('beforeunload', { cancelable: true }))"


@pytest.fixture
def phone(with_driver, open_board):
    return open_board(email=DRIVER_EMAIL, **PHONE)


def ask_whether_delivered(phone) -> None:
    phone.page.get_by_role("button", name="Other step").tap()
    phone.page.get_by_role("menuitem", name="Delivered").tap()


def deliver(phone) -> None:
    ask_whether_delivered(phone)
    phone.page.get_by_role("button", name="Yes, delivered").tap()


def test_a_driver_checks_in_and_sees_what_dispatchers_do(billor, phone):
    page, client, load = phone.page, billor.client, billor.load
    dialog, steps = page.get_by_role("dialog"), page.get_by_role("list", name="Steps done")
    page.set_viewport_size({"width": 320, "height": 700})
    expect(page.get_by_text("May 4, 2031, 8:30 AM CDT")).to_be_visible()
    page.get_by_role("button", name="Accept").tap()
    page.get_by_role("button", name="Undo: Accepted").tap()
    expect(steps.get_by_role("listitem")).to_have_count(0)
    page.get_by_role("button", name="Other step").tap()
    page.get_by_role("menuitem", name="Loaded").tap()
    expect(page.locator(".huge")).to_have_text("At delivery")
    page.get_by_role("button", name="Delayed").tap()
    dialog.get_by_label("Reason").select_option("Something else")
    dialog.get_by_label("What is it?").fill("Snow on I-40")
    dialog.get_by_label("Expected delivery").fill("2020-05-04T20:30")
    dialog.get_by_role("button", name="Delayed").tap()
    expect(dialog.get_by_text("Enter a later time.")).to_be_visible()
    dialog.get_by_label("Expected delivery").fill("2031-05-04T20:30")
    dialog.get_by_role("button", name="Delayed").tap()
    expect(steps).to_contain_text("Delayed until May 4, 2031, 8:30 PM CDT: Snow on I-40")

    (active,) = client.get("/assignments?status=ASSIGNED").body
    client.post(f"/assignments/{active['id']}/check-ins", {"kind": "AT_DELIVERY"})
    client.post(f"/loads/{load['id']}/comments", {"text": "Ring twice", "visibleToDriver": True})
    client.post(f"/loads/{load['id']}/comments", {"text": "Pays late"})
    client.patch(f"/loads/{load['id']}", {"notes": "Dock 4"})
    plan = {"driverId": billor.drivers[0]["id"], "plan": True}
    client.post("/assignments", plan | {"loadId": client.make_load(origin="Memphis, TN")["id"]})
    expect(page.locator(".next")).to_contain_text("Memphis, TN")
    page.locator(".next summary").tap()
    expect(page.locator(".huge")).to_have_text("Delivered")
    expect(steps.get_by_role("listitem").last).to_contain_text("At delivery")
    expect(page.locator("main")).to_contain_text("Dock 4")
    numbers = page.locator(".my-load .phone a")
    assert [link.get_attribute("href") for link in numbers.all()] == [
        "tel:+12145550123",
        "sms:+12145550123",
    ]
    expect(page.locator(".comments li")).to_contain_text(["Ring twice"])
    page.get_by_label("Write to your dispatcher").fill("On my way")
    page.get_by_role("button", name="Send").tap()
    expect(page.locator(".comments li")).to_contain_text(["Ring twice", "On my way"])
    assert page.evaluate(SMALL_TARGETS) == []
    assert page.evaluate(FITS)
    assert phone.axe_violations() == []
    page.get_by_role("button", name="Delivered").tap()
    page.get_by_role("button", name="Yes, delivered").tap()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Memphis, TN")
    expect(page.locator(".past li")).to_contain_text(["Laredo, TX"])
    expect(page.locator(".huge")).to_have_text("Accept")
    expect(page.locator(".next")).to_have_count(0)


def test_taps_without_a_connection_are_sent_after_a_reload_but_for_those_undone(billor, phone):
    page, path = phone.page, "**/me/assignment/check-ins"
    running = {"status": 409, "code": "idempotency_key_in_use", "detail": "Still running."}
    page.route(path, lambda route: route.fulfill(status=409, json=running))
    for step in ("Accept", "At pickup", "Loaded"):
        page.get_by_role("button", name=step).tap()
    expect(page.get_by_text("It will be sent later.")).to_be_visible()
    page.get_by_role("button", name="Undo: Accepted").tap()  # may have been received
    page.get_by_role("button", name="Undo: Loaded").tap()
    expect(page.locator(".steps li")).to_contain_text(["At pickup"])
    tapped_at = max(tap["happenedAt"] for tap in page.evaluate(KEPT, "taps"))
    page.unroute(path)
    with page.expect_request(path + "/*") as undone:
        page.reload()
    assert undone.value.method == "DELETE"
    expect(page.locator(".sending")).to_have_text("")
    expect(page.locator(".steps li")).to_contain_text(["At pickup"])
    (active,) = billor.client.get("/assignments?status=ASSIGNED").body
    (sent,) = billor.client.get(f"/assignments/{active['id']}/check-ins").body
    assert (sent["kind"], sent["happenedAt"][:23]) == ("AT_PICKUP", tapped_at[:23])


def test_a_delivery_without_a_connection_is_sent_later(billor, phone):
    expect(phone.page.get_by_role("button", name="Accept")).to_be_visible()
    phone.context.set_offline(True)
    deliver(phone)
    expect(phone.page.get_by_text("It will be sent later.")).to_be_visible()
    assert status_of(billor, billor.load) == "ASSIGNED"
    (tapped,) = phone.page.evaluate(KEPT, "taps")
    phone.context.set_offline(False)
    expect(phone.page.get_by_role("heading", name="No load now")).to_be_visible()
    (completed,) = billor.client.get("/assignments?status=COMPLETED").body
    assert completed["closedAt"][:23] == tapped["happenedAt"][:23]
    file = {"name": "page-1.pdf", "mimeType": "application/pdf", "buffer": PDF}
    expect(phone.page.locator(".past")).to_contain_text("No POD")
    phone.page.locator("input[type=file]").set_input_files(file)
    expect(phone.page.locator(".past .without-pod")).to_have_count(0)
    expect(phone.page.get_by_role("button", name="Add photo or PDF")).to_be_visible()


def test_a_document_that_can_be_neither_sent_nor_kept_is_said_and_holds_up_nothing(phone):
    page = phone.page
    page.evaluate("() => { IDBObjectStore.prototype.put = null }")  # as where there is no room
    away = {"status": 503, "code": "documents_unavailable", "detail": "Try again soon."}
    page.route("**/documents?kind=*", lambda route: route.fulfill(status=503, json=away))
    file = {"name": "bol.pdf", "mimeType": "application/pdf", "buffer": PDF}
    page.locator("input[type=file]").set_input_files(file)
    expect(page.get_by_role("alert")).to_contain_text("leave this page open until it is sent")
    assert page.evaluate(MAY_LEAVE) is False
    with page.expect_response("**/me/assignment/check-ins") as answer:
        page.get_by_role("button", name="Accept").tap()
    assert answer.value.status == 201
    expect(page.locator(".documents")).to_contain_text("waiting for the network")
    page.unroute("**/documents?kind=*")
    expect(page.locator(".documents")).not_to_contain_text("waiting for the network")
    expect(page.locator(".documents li")).to_contain_text(["Bill of lading"])
    expect(page.get_by_role("alert")).to_have_count(0)
    assert page.evaluate(MAY_LEAVE) is True
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download bol.pdf").tap()
    assert saved.value.path().read_bytes() == PDF


def test_a_driver_chooses_how_and_in_which_language_to_be_notified(billor, phone):
    page = phone.page
    page.get_by_role("button", name="Account of").tap()
    page.get_by_role("menuitem", name="Notifications").tap()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("combobox", name="Notifications").select_option("By mail")
    dialog.get_by_role("combobox", name="Language").select_option("Português")
    dialog.get_by_role("button", name="Save").tap()
    expect(page.locator(".toast")).to_contain_text("Saved.")
    path = f"/drivers/{billor.drivers[0]['id']}"
    assert billor.client.get(path).body["language"] == "pt-BR"
    page.get_by_role("button", name="Account of").tap()
    page.get_by_role("menuitem", name="Español").tap()
    expect(page.get_by_role("button", name="Aceptar")).to_be_visible()
    driver = billor.client.get(path).body
    assert (driver["notifyBy"], driver["language"]) == ("EMAIL", "es")


def test_a_lost_answer_does_not_complete_the_next_load(billor, phone):
    following = billor.client.make_load(origin="Memphis, TN")
    keys = phone.lose_first_answer(
        "/me/assignment/status",
        "PATCH",
        then=lambda: billor.client.assign(billor.drivers[0], following),
    )
    deliver(phone)
    expect(phone.page.get_by_role("heading", level=1)).to_contain_text("Memphis, TN")
    expect(phone.page.locator(".sending")).to_have_text("")
    assert (len(keys), len(set(keys))) == (2, 1)
    assert status_of(billor, billor.load) == "COMPLETED"
    assert status_of(billor, following) == "ASSIGNED"


def test_a_load_that_was_replaced_meanwhile_is_not_completed(billor, phone):
    """The question about it ends; what was answered just before is refused."""
    page, heading = phone.page, phone.page.get_by_role("heading", level=1)

    def replace(origin: str) -> None:
        (active,) = billor.client.get("/assignments?status=ASSIGNED").body
        billor.client.close_assignment(active["id"], "CANCELLED")
        billor.client.assign(billor.drivers[0], billor.client.make_load(origin=origin))

    ask_whether_delivered(phone)
    expect(page.get_by_role("dialog")).to_contain_text(f"Load {billor.load['id']}: Laredo, TX")
    replace("Memphis, TN")
    expect(page.locator(".toast")).to_contain_text(["Your load has changed meanwhile."])
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(heading).to_contain_text("Memphis, TN")
    assert phone.writes == []
    phone.before_request("/me/assignment/status", "PATCH", lambda: replace("Boise, ID"))
    deliver(phone)
    expect(page.get_by_role("alert")).to_contain_text("Your load has changed meanwhile.")
    expect(heading).to_contain_text("Boise, ID")
    assert billor.client.get("/assignments?status=COMPLETED").body == []
