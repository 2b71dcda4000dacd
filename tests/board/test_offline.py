"""A driver's phone that loses the network, is closed, and comes back."""

from base64 import b64decode
from io import BytesIO

import imagesize
import pytest
from playwright.sync_api import Page, expect

from billor.models import Role
from tests.support.board import DRIVER_EMAIL, KEPT, PASSWORD, PHONE
from tests.support.browser import no_troubles, options
from tests.support.photos import PDF
from tests.support.worker import wait_until

# Whether the page works without a network by now.
IS_KEPT = "navigator.serviceWorker.ready.then(({ active }) => active.scriptURL)"
CACHED = """async () => (await Promise.all((await caches.keys()).map(
  async name => (await (await caches.open(name)).keys()).map(({ url }) => new URL(url).pathname)
))).flat()"""
ASSETS = """[...document.head.querySelectorAll('[href], [src]')]
  .map(({ href, src }) => href || src)"""
FETCH = "urls => Promise.all(urls.map(async url => (await fetch(url)).status))"
# As a camera takes it.
PHOTO = """() => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 4000, height: 1000 });
  canvas.getContext("2d").fillRect(0, 0, 2000, 500);
  return canvas.toDataURL("image/png").split(",")[1];
}"""
# A phone whose clock is an hour ahead.
AHEAD = """globalThis.Date = class extends Date {
  constructor(...parts) { parts.length ? super(...parts) : super(Date.now()); }
  static now() { return super.now() + 3_600_000; }
}"""
KINDS = ["ACCEPTED", "COMMENT", "DOCUMENT", "DOCUMENT", "AT_PICKUP"]
# Chromium without a head has no push service.
SUBSCRIBED = """() => {
  let made = null, tries = 0;
  PushManager.prototype.getSubscription = async () => made;
  PushManager.prototype.subscribe = async ({ applicationServerKey: p256dh }) => {
    if (!tries++) throw new DOMException("away", "AbortError");
    const keys = { p256dh, auth: "A".repeat(22) };
    const toJSON = () => ({ endpoint: "https://a.example/1", keys, expirationTime: null });
    return made = { toJSON, unsubscribe: async () => { made = null; } };
  };
}"""
SHOWN = "BackgroundService.backgroundServiceEventReceived"
# As after a change of an asset.
NEWER = """
from billor import board
old, board.VERSION = board.VERSION, "0123456789ab"
board.SERVICE_WORKER = board.SERVICE_WORKER.replace(old, board.VERSION)
board.PAGES = {language: page.replace(old, board.VERSION) for language, page in board.PAGES.items()}
"""


class Phone:
    """A browser that is closed and opened again, with all that it keeps."""

    def __init__(self, browser, folder, url):
        self._browser, self._folder, self._url = browser, folder, url

    def open(self, **more) -> Page:
        """Start it, and open the board."""
        self.context = self._browser.browser_type.launch_persistent_context(
            self._folder,
            **options(),
            timezone_id="America/Chicago",
            locale="en-US",
            **PHONE | more,
        )
        self.context.add_init_script(AHEAD)
        return self.open_tab()

    def open_tab(self) -> Page:
        page = self.context.new_page()
        page.goto(f"{self._url}/board")
        return page

    def log_in(self) -> Page:
        """Open it, log in, and wait until it needs no network."""
        page = self.open()
        self.enter(page, DRIVER_EMAIL)
        expect(page.get_by_role("button", name="Accept")).to_be_visible()
        assert page.evaluate(IS_KEPT) == f"{self._url}/board/sw.js"
        return page

    def enter(self, page: Page, email: str) -> None:
        page.get_by_label("Email").fill(email)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()

    def log_out(self, page: Page, name: str, unsent: int = 0) -> None:
        page.get_by_role("button", name=f"Account of {name}").tap()
        page.get_by_role("menuitem", name="Log out", exact=True).tap()
        if unsent:
            expect(page.get_by_role("dialog")).to_contain_text(f"Not sent yet: {unsent}.")
            page.get_by_role("dialog").get_by_role("button", name="Log out").tap()
        expect(page.get_by_label("Password")).to_be_visible()


@pytest.fixture
def phone(with_driver, browser, tmp_path):
    phone = Phone(browser, tmp_path, with_driver.url)
    yield phone
    phone.context.close()


def add_document(page: Page, kind: str, content: bytes, media_type: str) -> None:
    page.get_by_label("Kind of document").select_option(kind)
    file = {"name": "file", "mimeType": media_type, "buffer": content}
    page.locator("input[type=file]").set_input_files(file)


def taps(page: Page) -> list[dict]:
    return sorted(page.evaluate(KEPT, "taps"), key=lambda tap: tap["happenedAt"])


def test_what_is_done_offline_arrives_once_and_in_order_with_its_times(billor, phone):
    page = phone.log_in()
    phone.context.set_offline(True)
    page.get_by_role("button", name="Accept").tap()
    expect(page.get_by_text("It will be sent later.")).to_be_visible()
    phone.context.close()

    page = phone.open(offline=True)
    expect(page.get_by_role("heading", level=1)).to_contain_text("Laredo, TX")
    expect(page.locator("main")).to_contain_text("Call first")
    expect(page.get_by_role("link", name="(214) 555-0123", exact=True)).to_be_visible()
    expect(page.get_by_text("Not live since")).to_be_visible()
    page.get_by_label("Write to your dispatcher").fill("On my way")
    page.get_by_role("button", name="Send").tap()
    expect(page.locator(".comments li")).to_contain_text(["On my way"])
    add_document(page, "POD", b64decode(page.evaluate(PHOTO)), "image/png")
    expect(page.locator(".documents li")).to_have_count(1)
    add_document(page, "OTHER", PDF, "application/pdf")
    expect(page.locator(".documents li")).to_have_count(2)
    page.get_by_role("button", name="At pickup").tap()
    other = phone.open_tab()
    expect(other.locator(".comments li")).to_contain_text("waiting for the network")
    kept = taps(page)
    assert [tap["kind"] for tap in kept] == KINDS

    answered: list[int] = []
    phone.context.on("response", lambda response: answered.append(response.status))
    with no_troubles(page, billor.url):
        billor.end_sessions(DRIVER_EMAIL)
        phone.context.set_offline(False)
        expect(page.get_by_role("dialog")).to_contain_text("Your session has ended.")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        for tab in (page, other):
            expect(tab.locator(".sending")).to_have_text("")
            expect(tab.locator(".steps li")).to_contain_text(["Accepted", "At pickup"])
            expect(tab.locator(".banner")).to_have_count(0)
    assert answered.count(201) == len(kept)
    documents = billor.client.get(f"/loads/{billor.assignment['loadId']}/documents").body[::-1]
    assert [each["kind"] for each in documents] == ["POD", "OTHER"]
    assert documents[0]["happenedAt"][:23] == kept[2]["happenedAt"][:23]
    scan = billor.client.get(f"/documents/{documents[1]['id']}").body
    sent_photo = BytesIO(billor.client.get(f"/documents/{documents[0]['id']}").body)
    assert (scan, imagesize.get(sent_photo)) == (PDF, (2000, 500))
    check_ins = billor.client.get(f"/assignments/{billor.assignment['id']}/check-ins").body
    assert [(each["kind"], each["happenedAt"][:23]) for each in check_ins] == [
        (tap["kind"], tap["happenedAt"][:23]) for tap in (kept[0], kept[-1])
    ]
    assert taps(page) == []


def test_a_refused_photo_is_told_and_no_other_driver_sends_or_sees_it(billor, phone):
    sam = billor.client.make_driver("TX-2", "Sam Ito")
    billor.make_user("Sam Ito", "sam@billor.example", Role.DRIVER, sam["id"])
    documents = f"/loads/{billor.assignment['loadId']}/documents"
    page = phone.log_in()
    with billor.changed("from billor.loads import documents\ndocuments.MAX_OF_LOAD = 0"):
        add_document(page, "OTHER", PDF, "application/pdf")
        expect(page.locator(".refusal")).to_contain_text("The load has 100 documents already.")
        assert taps(page) == []

    phone.context.set_offline(True)
    add_document(page, "POD", PDF, "application/pdf")
    expect(page.locator(".documents li")).to_have_count(1)
    phone.log_out(page, "Robin", unsent=1)
    phone.context.set_offline(False)
    phone.enter(page, "sam@billor.example")
    expect(page.get_by_role("heading", level=1)).to_have_text("No load now")
    expect(page.locator(".sending")).to_have_text("")
    phone.log_out(page, "Sam")
    assert (len(taps(page)), billor.client.get(documents).body) == (1, [])
    phone.enter(page, DRIVER_EMAIL)
    expect(page.locator(".documents li")).to_contain_text(["Proof of delivery"])
    wait_until(lambda: taps(page) == [])
    assert len(billor.client.get(documents).body) == 1


def test_a_new_version_takes_over_and_leaves_the_old_page_its_assets(billor, phone):
    old = phone.log_in()
    old.get_by_label("Write to your dispatcher").fill("On my")
    assets = old.evaluate(ASSETS)
    with billor.changed(NEWER):
        new = phone.open_tab()
        expect(old.get_by_text("There is a new version.")).to_be_visible()
        expect(new.get_by_role("button", name="Accept")).to_be_visible()
        expect(new.get_by_text("There is a new version.")).to_have_count(0)
        newer = new.evaluate(ASSETS)
        assert set(assets).isdisjoint(newer)
        expect(old.get_by_label("Write to your dispatcher")).to_have_value("On my")
        with billor.hung():
            assert old.evaluate(FETCH, assets) == [200] * len(assets)
            old.get_by_role("button", name="Reload").tap()
            expect(old.get_by_role("heading", level=1)).to_contain_text("Laredo, TX")
            assert old.evaluate(ASSETS) == newer


def test_the_page_can_be_installed_and_logging_out_leaves_nothing_else(phone):
    page = phone.log_in()
    devtools = phone.context.new_cdp_session(page)
    assert devtools.send("Page.getInstallabilityErrors") == {"installabilityErrors": []}
    assert page.evaluate(KEPT, "mine")[0]["current"]["load"]["notes"] == "Call first"
    phone.log_out(page, "Robin")
    assert page.evaluate("localStorage.length") == 0
    assert page.evaluate(KEPT, "mine") + page.evaluate(KEPT, "taps") == []
    assert {path.split("/")[1] for path in page.evaluate(CACHED)} == {"board"}


def test_a_phone_is_notified_if_its_driver_asks_for_it_until_the_logout(billor, phone):
    page = phone.log_in()
    notify = page.get_by_role("button", name="Notify me on this phone")
    notify.tap()
    expect(page.get_by_text("Notifications are blocked here.")).to_be_visible()
    phone.context.grant_permissions(["notifications"])
    page.reload()
    expect(notify).to_be_visible()
    devtools, workers = phone.context.new_cdp_session(page), []
    found = "ServiceWorker.workerRegistrationUpdated"
    devtools.on(found, lambda event: workers.extend(event["registrations"]))
    devtools.send("ServiceWorker.enable")
    wait_until(lambda: page.wait_for_timeout(50) or workers)
    pushed = {"origin": billor.url, "data": '{"title": "Billor", "body": "Nueva carga"}'}
    pushed["registrationId"] = workers[0]["registrationId"]
    # Chromium drops a notification whose page asks for it just while it is shown.
    shown: list[dict] = []
    devtools.on(SHOWN, lambda event: shown.append(event["backgroundServiceEvent"]))
    for command, more in (("startObserving", {}), ("setRecording", {"shouldRecord": True})):
        devtools.send(f"BackgroundService.{command}", {"service": "notifications"} | more)
    devtools.send("ServiceWorker.deliverPushMessage", pushed)
    wait_until(lambda: page.wait_for_timeout(50) or shown)
    told = {each["key"]: each["value"] for each in shown[0]["eventMetadata"]}
    assert told == {"Title": "Billor", "Body": "Nueva carga"}

    answers: list[tuple[str, int]] = []
    phone.context.on("response", lambda got: answers.append((got.request.method, got.status)))
    page.evaluate(SUBSCRIBED)
    notify.tap()
    expect(page.get_by_role("complementary")).to_contain_text("can't be notified now")
    notify.tap()
    expect(notify).to_have_count(0)
    page.get_by_role("button", name="Account of Robin").tap()
    page.get_by_role("menuitem", name="Log out", exact=True).tap()
    expect(page.get_by_label("Password")).to_be_visible()
    assert [each for each in answers if each[0] != "GET"] == [
        *(("POST", 201), ("DELETE", 204), ("POST", 204)),
    ]
