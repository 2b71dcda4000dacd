"""The board follows what others do, and survives lost connections and sessions that end."""

from playwright.sync_api import expect

from billor.changes.source import MAX_CHANGES
from tests.support.board import EMAIL, PASSWORD

POLL = 10_000
"""Milliseconds in which a board polls."""


def test_another_board_shows_a_change_from_the_stream_alone(billor, open_board):
    for name in ("Alex Carter", "Chen Wei"):
        billor.client.make_load(origin=f"Load of {name}")
    billor.make_drivers("Alex Carter", "Chen Wei")
    # In windows of their own: browsers slow down pages that are not visible.
    one, other = open_board(), open_board(color_scheme="dark")
    for board in (one, other):
        board.expect_live()
        expect(board.waiting).to_have_count(2)
        expect(board.drivers).to_have_count(2)
    asked: list[str] = []
    other.page.on("request", lambda request: asked.append(request.url))
    for count, name in enumerate(("Alex Carter", "Chen Wei"), 1):
        one.drag(one.waiting_load(name), one.drivers.filter(has_text=name))
        expect(other.road).to_have_count(count)
        newest = billor.client.get("/assignments").body[0]
        path = f"/assignments/{newest['id']}/check-ins"
        assert billor.client.post(path, {"kind": "LOADED"}).status == 201
    expect(other.drivers).to_have_count(0)
    load = billor.client.make_load(origin="Next, TX")
    plan = {"driverId": newest["driverId"], "loadId": load["id"], "plan": True}
    assert billor.client.post("/assignments", plan).status == 201
    billor.client.close_assignment(newest["id"])
    expect(other.road.filter(has_text="Next, TX")).to_have_count(1)
    expect(other.road).to_have_count(2)
    assert [url for url in asked if not url.endswith("/changes")] == []
    other.expect_live()


def test_a_translated_board_shows_what_has_changed_since(billor, open_board):
    load = billor.client.make_load(origin="Laredo, TX")
    path = f"/loads/{load['id']}"
    (driver,) = billor.make_drivers("Alex Carter")
    board = open_board(path="/board?q=a")
    page = board.page
    pages = [board, open_board(path=f"/board#{path}")]
    for shown in pages:
        expect(shown.page.get_by_text("Laredo, TX").locator("visible=true")).to_be_visible()
        shown.expect_live()
        shown.translate()
    changed = {"origin": "Boise, ID", "cargoType": "Apples", "pickupAt": "2031-05-04T13:30:00Z"}
    billor.client.patch(path, changed)
    for shown in pages:
        content = shown.page.locator("main")
        expect(content).to_contain_text("Boise, ID")
        expect(content).to_contain_text("Apples")
        expect(content).not_to_contain_text("«Laredo, TX»")
    expect(page.locator(".waiting .when").first).to_contain_text("May 4")
    billor.client.assign(driver, load)
    expect(page.locator(".road .count")).to_have_text("1")
    expect(page.locator(".waiting .count")).to_have_text("0")
    expect(page.locator(".drivers .count")).to_have_text("0")
    expect(page.locator(".road .row")).to_contain_text("Alex Carter")
    expect(pages[1].page.locator(".page-head .status")).to_have_text("On the road")
    said = {"text": "Dock 4 is closed", "visibleToDriver": True}
    assert billor.client.post(f"{path}/comments", said).status == 201
    billor.client.make_load()
    expect(page.locator(".waiting .count")).to_have_text("1")
    expect(page.locator(".road .count")).to_have_text("1")
    expect(page.locator(".road .row")).to_contain_text("Alex Carter")


def test_the_board_says_that_the_connection_is_lost_and_recovers(billor, open_board):
    billor.client.make_load(origin="Before, TX")
    board = open_board()
    board.expect_live()
    billor.make_drivers("Alex Carter")
    expect(board.drivers).to_contain_text(["Alex Carter"])
    billor.api.terminate()
    expect(board.page.get_by_text("Not live since")).to_be_visible()
    expect(board.waiting_load("Before, TX")).to_be_visible()
    billor.start_api()
    billor.client.make_load(origin="After, TX")
    expect(board.waiting_load("After, TX")).to_be_visible()
    expect(board.page.get_by_text("Not live since")).to_have_count(0)
    board.expect_live()


def test_one_tab_has_the_stream_and_when_it_closes_another_goes_on(billor, open_board):
    board = open_board()
    board.expect_live()
    streams: list[str | None] = []

    def note(request) -> None:
        if request.url.endswith("/changes"):
            streams.append(request.headers.get("last-event-id"))

    board.context.on("request", note)
    tabs = [board.open_tab() for _ in range(3)]
    for tab in tabs:
        expect(tab.locator(".dot")).to_have_class("dot dot-live")
    billor.client.make_load(origin="First, TX")
    for tab in tabs:
        expect(tab.get_by_text("First, TX")).to_be_visible()
    assert streams == []
    board.page.close()
    billor.client.make_load(origin="Second, TX")
    for tab in tabs:
        expect(tab.get_by_text("Second, TX")).to_be_visible()
    assert len(streams) == 1
    assert streams[0]


def test_a_page_that_cannot_start_says_so_and_tries_again_by_itself(billor, open_board):
    billor.client.make_load(origin="Laredo, TX")
    board = open_board()
    board.expect_live()
    board.page.route("**/me", lambda route: route.abort())
    board.page.reload()
    expect(board.page.get_by_text("Billor cannot be reached.")).to_be_visible()
    expect(board.page.get_by_role("button", name="Try again now")).to_be_visible()
    board.page.unroute("**/me")
    expect(board.waiting_load("Laredo, TX")).to_be_visible()


def test_after_many_changes_at_once_only_those_are_read(billor, open_board):
    billor.client.make_load()
    board = open_board()
    board.expect_live()
    expect(board.waiting).to_have_count(1)
    asked: list[str] = []
    board.page.on("request", lambda request: asked.append(request.url))
    rows = ["Imported,There,Steel"] * (MAX_CHANGES + 1)
    body = "\n".join(["origin,destination,cargoType", *rows]).encode()
    billor.client.post("/loads/import", body, **{"Content-Type": "text/csv"})
    expect(board.page.locator(".waiting .count")).to_have_text(str(MAX_CHANGES + 2))
    assert [url for url in asked if "status=OPEN" in url] == []


def test_a_board_whose_api_cannot_see_changes_is_not_live(open_board):
    board = open_board()
    board.expect_live()
    events = "event: ready\ndata: {}\n\nevent: stale\ndata: {}\n\n"
    board.page.route(
        "**/changes", lambda route: route.fulfill(content_type="text/event-stream", body=events)
    )
    board.page.reload()
    expect(board.page.get_by_text("Not live since")).to_be_visible()
    board.page.unroute("**/changes")
    board.expect_live()


def test_without_the_stream_the_board_polls_and_says_so(billor, open_board):
    board = open_board(path="/board#/stats")
    board.page.route("**/changes", lambda route: route.fulfill(status=502, body="<html>"))
    board.page.clock.install()
    board.page.reload()
    expect(board.page.locator(".dot")).to_have_class("dot dot-polling")
    board.page.get_by_role("link", name="Board").click()
    load = billor.client.make_load(origin="Polled, TX")
    board.page.clock.fast_forward(POLL)
    expect(board.waiting_load("Polled, TX")).to_be_visible()
    alex, _ = billor.make_drivers("Alex Carter", "Brianna Lopez")
    assignment = billor.client.assign(alex, load).body
    board.page.clock.fast_forward(POLL)
    expect(board.road).to_contain_text(["Alex Carter"])
    expect(board.drivers).to_contain_text(["Brianna Lopez"])
    billor.client.close_assignment(assignment["id"])
    board.page.clock.fast_forward(POLL)
    expect(board.road).to_have_count(0)
    expect(board.drivers).to_have_count(2)


def test_an_ended_session_asks_for_a_login_and_keeps_what_was_typed(billor, open_board):
    board = open_board()
    board.expect_live()
    page = board.page
    page.get_by_role("button", name="New load").click()
    form = page.get_by_role("dialog")
    for label, text in {"From": "Laredo, TX", "To": "Denver, CO", "Cargo type": "Steel"}.items():
        form.get_by_label(label).fill(text)
    billor.end_sessions()
    login = page.get_by_role("dialog", name="Log in again")
    expect(login.get_by_label("Email")).to_have_value(EMAIL)
    expect(login.get_by_label("Password")).to_be_focused()
    board.log_in("wrong-password")
    expect(login).to_contain_text("The email address or the password is wrong.")
    board.log_in()
    expect(login).to_have_count(0)
    page.get_by_role("button", name="Create load").click()
    expect(board.waiting_load("Laredo, TX")).to_be_visible()
    board.expect_live()


def test_tabs_share_a_login_one_of_them_refreshes_and_a_logout_ends_it_in_all(billor, open_board):
    billor.client.make_load(origin="Laredo, TX")
    board = open_board()
    board.expect_live()
    tab = board.open_tab()
    laredo = tab.get_by_text("Laredo, TX")
    expect(laredo).to_be_visible()
    board.page.evaluate(
        """() => {
          const tokens = JSON.parse(localStorage.getItem("billor.tokens/"));
          localStorage.setItem("billor.tokens/", JSON.stringify({...tokens, expiresAt: 0}));
        }"""
    )
    for page in (board.page, tab):
        page.evaluate("setTimeout(() => location.reload())")
    expect(laredo).to_be_visible()
    expect(board.waiting_load("Laredo, TX")).to_be_visible()
    assert board.writes == ["POST auth/refresh"]

    tab.get_by_role("button", name="Account of Dana").click()
    tab.get_by_role("menuitem", name="Log out", exact=True).click()
    expect(board.page.get_by_label("Password")).to_be_visible()
    expect(board.waiting).to_have_count(0)


def test_a_tab_starts_again_when_another_user_logs_in_elsewhere(billor, open_board):
    billor.make_user("Olga Other", "olga.other@billor.example")
    board = open_board()
    tab = board.open_tab()
    board.page.get_by_role("button", name="New load").click()
    form = board.page.get_by_role("dialog", name="New load")
    for label in ("From", "To", "Cargo type"):
        form.get_by_label(label).fill("Dana's steel")
    board.before_request("/loads", "POST", billor.end_sessions)
    form.get_by_role("button", name="Create load").click()
    for page in (tab, board.page):
        expect(page.get_by_role("dialog", name="Log in again")).to_be_visible()
    login = tab.get_by_role("dialog", name="Log in again")
    login.get_by_label("Email").fill("olga.other@billor.example")
    login.get_by_label("Password").fill(PASSWORD)
    login.get_by_role("button", name="Log in").click()
    for page in (tab, board.page):
        expect(page.get_by_role("button", name="Account of Olga")).to_be_visible()
        expect(page.get_by_role("dialog")).to_have_count(0)
        expect(page.locator(".toast")).to_contain_text(["What Dana Dispatcher had not finished"])
    assert billor.client.get("/loads").body == []
