"""What a dispatcher knows of loads and drivers: windows, contacts, notes, comments, papers."""

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from playwright.sync_api import expect

NOTES = "Gate 4.\nAsk for Lee."
MORE = {
    "Pickup until": "2031-05-04T10:00",
    "Weight (lb)": "42000",
    "Equipment": "Reefer",
    "Pickup contact": "Lee",
    "Pickup phone": "214 555 0123 x12",
    "Notes": NOTES,
}
FACTS = (
    "PickupSun, May 4, 2031, 8:00 – 10:00 AM CDT",
    "Weight42,000 lb",
    "Pickup contactLee (214) 555-0123 ext. 12Text",
    "NotesGate 4.\nAsk for Lee.",
)


def test_a_load_has_windows_contacts_notes_and_comments(billor, open_board):
    board = open_board()
    page, dialog = board.page, board.page.get_by_role("dialog")
    page.get_by_role("button", name="New load").click()
    for label in ("From", "To", "Cargo type"):
        dialog.get_by_label(label).fill("Reno, NV")
    dialog.get_by_label("Pickup").fill("2031-05-04T08:00")
    dialog.get_by_text("More").click()
    for label, typed in MORE.items():
        dialog.get_by_label(label).fill(typed)
    until, weight = dialog.get_by_label("Pickup until"), dialog.get_by_label("Weight")
    until.fill("2031-05-04T07:00")
    weight.fill("250000")
    dialog.get_by_text("More").click()
    create = dialog.get_by_role("button", name="Create load")
    create.click()
    expect(weight).to_have_accessible_description("Enter a number from 3 to 220462.")
    weight.fill(MORE["Weight (lb)"])
    dialog.get_by_text("More").click()
    create.click()
    expect(until).to_be_focused()
    expect(until).to_have_accessible_description(re.compile("before the pickup"))
    assert board.axe_violations() == []
    until.fill(MORE["Pickup until"])
    create.click()
    expect(board.waiting).to_contain_text(["Reno, NV · Reefer · 42,000 lb"])

    board.waiting.get_by_role("link").click()
    facts = page.locator(".facts")
    for fact in FACTS:
        expect(facts).to_contain_text(fact)
    assert NOTES in facts.inner_text()
    text = facts.get_by_role("link", name="Text (214) 555-0123")
    expect(text).to_have_attribute("href", "sms:+12145550123")
    path = page.url.split("#")[1]
    page.get_by_role("button", name="Change").click()
    expect(dialog.get_by_label("Pickup phone")).to_have_value("(214) 555-0123 ext. 12")
    with page.expect_response(f"**{path}"):
        assert billor.client.patch(path, {"equipment": "Step deck"}).status == 200
    dialog.get_by_label("Notes").fill("Gate 5.")
    save = dialog.get_by_role("button", name="Save")
    save.click()
    refusal = dialog.get_by_role("alert")
    expect(refusal).to_contain_text("Somebody else has changed this")
    expect(refusal).to_contain_text("changed “Equipment” from Reefer to Step deck")
    save.click()
    expect(facts).to_contain_text("NotesGate 5.")
    expect(facts).to_contain_text("EquipmentStep deck")
    expect(page.locator(".timeline")).to_contain_text(
        "changed “Notes” from Gate 4. Ask for Lee. to Gate 5.."
    )

    for visible in (False, True):
        page.get_by_label("Comment").fill("Dock 4 is closed.")
        page.get_by_label("Visible to the driver").set_checked(visible)
        page.get_by_role("button", name="Add comment").click()
        expect(page.get_by_label("Comment")).to_have_value("")
    entries = page.locator(".timeline").get_by_role("listitem")
    verbs = ("commented", "wrote to the driver")
    said = [f"Dana Dispatcher {what}.Dock 4 is closed." for what in verbs]
    expect(entries.filter(has_text="Dock 4")).to_contain_text(said)
    expect(page.get_by_label("Visible to the driver")).not_to_be_checked()
    billor.client.post(f"{path}/comments", {"text": "From elsewhere."})
    expect(entries.last).to_contain_text("From elsewhere.")
    assert board.axe_violations() == []


def test_the_board_warns_of_papers_and_says_whose_have_expired(billor, open_board):
    day = datetime.now(ZoneInfo("America/Chicago")).date()
    billor.client.make_load()
    board = open_board(path="/board#/drivers")
    page, dialog = board.page, board.page.get_by_role("dialog")
    page.get_by_role("button", name="New driver").click()
    for label, typed in {
        "Name": "Alex Carter",
        "License number": "TX-1",
        "Phone": "2145550123",
        "License expires on": str(day + timedelta(30)),
        "Medical card expires on": str(day + timedelta(31)),
        "Notes": "Knows Laredo.",
    }.items():
        dialog.get_by_label(label, exact=False).first.fill(typed)
    dialog.get_by_label("Notifications").select_option("By mail")
    dialog.get_by_label("Language").select_option("Español")
    dialog.get_by_label("Email").fill("nobody")
    dialog.get_by_role("button", name="Create driver").click()
    expect(dialog.get_by_label("Email")).to_be_focused()
    dialog.get_by_label("Email").fill("alex@example.com")
    dialog.get_by_role("button", name="Create driver").click()
    row = page.get_by_role("row").filter(has_text="Alex Carter")
    expect(row).to_contain_text("(214) 555-0123Text")
    expect(row).to_contain_text("Free License expires in 30 days")
    expect(row).not_to_contain_text("Medical")

    row.get_by_role("link", name="Alex Carter").click()
    driver = billor.client.get(f"/drivers/{page.url.rsplit('/', 1)[1]}").body
    assert (driver["notifyBy"], driver["language"]) == ("EMAIL", "es")
    facts = page.locator(".facts")
    expect(facts.get_by_role("link", name="(214) 555-0123").first).to_have_attribute(
        "href", "tel:+12145550123"
    )
    expect(page.locator(".internal")).to_have_text(["Notes", "Knows Laredo."])
    page.get_by_role("button", name="Change").click()
    dialog.get_by_label("Phone").fill("")
    dialog.get_by_label("Medical card expires on").fill(str(day - timedelta(1)))
    dialog.get_by_role("button", name="Save").click()
    expect(page.locator(".page-head")).to_contain_text("Medical card expired on")
    expect(facts).to_contain_text("Phone–")
    expect(facts).to_contain_text("Emailalex@example.com")
    assert board.axe_violations() == []

    page.goto(f"{billor.url}/board")
    expect(board.drivers.get_by_title("License expires in 30 days")).to_be_visible()
    board.drag(board.waiting.first, board.drivers.first)
    trouble = board.waiting.first.locator("p")
    expect(trouble).to_contain_text("The driver's medical card expired on")
    expect(trouble.get_by_role("link", name="Alex Carter")).to_be_visible()
    assert board.axe_violations() == []
