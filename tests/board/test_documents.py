"""Documents of loads, and who was notified, as a dispatcher sees them."""

import re
from base64 import b64decode

from playwright.sync_api import expect

from billor.events.event import EventType
from billor.models import Role
from tests.board.test_offline import PHOTO
from tests.board.test_quality import FITS
from tests.support.board import PHONE
from tests.support.photos import PDF
from tests.support.worker import wait_until

ADMIN_EMAIL = "ada.admin@billor.example"
DROP = """files => {
  const dataTransfer = new DataTransfer();
  for (const [name, text] of files) dataTransfer.items.add(new File([text], name));
  document.body.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true }));
}"""

CORNER = """canvas => {
  const copy = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  copy.drawImage(canvas, -95, -95);
  return [...copy.getImageData(0, 0, 1, 1).data];
}"""


def test_dispatchers_see_add_and_delete_documents_and_find_loads_without_pod(billor, open_board):
    billor.make_user("Ada Admin", ADMIN_EMAIL, Role.ADMIN)
    load = billor.client.make_load(origin="Laredo, TX")
    (driver,) = billor.make_drivers("Ana Torres")
    assignment = billor.client.assign(driver, load).body
    board, admin = open_board(), open_board(email=ADMIN_EMAIL, **PHONE)
    for each in (board, admin):
        each.expect_live()
    ids = {"load_id": load["id"], "driver_id": driver["id"], "assignment_id": assignment["id"]}
    payload = {"channel": "EMAIL", "about": "load.assigned", "recipient": "Ana Torres"}
    billor.record(EventType.NOTIFICATION_FAILED, payload | {"reason": "550 5.1.1"}, **ids)
    expect(board.road).to_contain_text("could not deliver a message to Ana Torres: the address")
    billor.client.patch(f"/assignments/{assignment['id']}/status", {"status": "COMPLETED"})
    for name in ("Finished", "Delivered without POD"):
        board.page.get_by_role("button", name=name).click()
    row = board.page.get_by_role("list", name="Finished loads").get_by_role("listitem")
    expect(row).to_contain_text("No POD")

    admin.page.goto(f"{billor.url}/board#/loads/{load['id']}")
    page, documents = admin.page, admin.page.locator(".documents li")
    timeline = page.locator(".timeline")
    expect(timeline).to_contain_text("completed the load")
    billor.record(EventType.NOTIFICATION_SENT, payload, **ids)
    expect(timeline).to_contain_text("The system mailed Ana Torres.")
    page.evaluate(DROP, [["a:b.pdf", PDF.decode()], ["virus.pdf", "<script>"]])
    expect(page.locator(".load-documents .trouble")).to_contain_text("virus.pdf: This is not a")
    expect(row).to_have_count(0)
    expect(board.page.get_by_role("button", name="Delivered without POD 0")).to_be_visible()
    page.get_by_label("Kind of document").select_option("BOL")
    photo = b64decode(page.evaluate(PHOTO))
    file = {"name": "bol.png", "mimeType": "image/png", "buffer": photo}
    page.locator("input[type=file]").set_input_files(file)
    expect(documents).to_contain_text(["bol.jpg", "a:b.pdf"])
    with admin.context.expect_page() as opened:
        page.get_by_role("button", name="Open bol.jpg").click()
    expect(opened.value.locator("img")).to_be_visible()
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download a:b.pdf").click()
    assert saved.value.path().read_bytes() == PDF
    assert (page.evaluate(FITS), admin.axe_violations()) == (True, [])
    page.set_viewport_size({"width": 375, "height": 300})
    page.reload()
    expect(documents).to_have_count(2)
    with page.expect_request(re.compile(r"/documents/\d+$")):  # not before it is seen
        documents.first.scroll_into_view_if_needed()
    wait_until(lambda: page.locator("canvas").first.evaluate(CORNER) == [255, 255, 255, 255])
    page.get_by_role("button", name="Delete a:b.pdf").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(documents).to_have_count(1)
    expect(page.get_by_role("button", name="Add photo or PDF")).to_be_focused()
    expect(timeline).to_contain_text("deleted a document: Proof of delivery, a:b.pdf")
    expect(row).to_contain_text("No POD")
    assert board.axe_violations() == []
