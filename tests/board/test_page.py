"""The board's page: its files, the login, forms, files, search, and what is typed by strangers."""

import csv
import re
from pathlib import Path

from playwright.sync_api import Route, expect

from billor.board import CONTENT_SECURITY_POLICY
from tests.support.board import EMAIL

MAX_FIRST_VIEW_BYTES = 150_000
HARMFUL = "<img src=x onerror=document.title='harmed'>"


def test_the_root_leads_to_the_board(billor):
    reply = billor.client.get("/")
    assert (reply.status, reply.headers["Location"]) == (302, "/board")


def test_assets_are_kept_for_ever_and_the_page_is_not(billor):
    page = billor.client.get("/board")
    assert page.headers["Cache-Control"] == "no-cache"
    assert page.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    addresses = re.findall(r'(?:href|src)="([^"]+)"', page.body.decode())
    assert len(addresses) > 40
    for address in addresses:
        asset = billor.client.get(address.removeprefix("."))
        assert asset.status == 200, address
        assert asset.headers["Cache-Control"] == "public, immutable, max-age=31536000"
    first = addresses[0].removeprefix(".")
    old = re.sub("/board/[0-9a-f]+/", "/board/000000000000/", first)
    assert billor.client.get(old).status == 404
    assert billor.client.get(f"{first}/../../__init__.py").status == 404


def test_the_board_stays_below_the_prefix_of_a_proxy(billor, open_board):
    billor.client.make_load()
    board = open_board(path="/healthz")
    asked: list[str] = []

    def forward(route: Route) -> None:
        asked.append(route.request.url)
        route.continue_(url=route.request.url.replace("/billor/", "/", 1))

    board.page.route("**/*", forward)
    board.page.goto(f"{billor.url}/billor/board")
    expect(board.waiting).to_have_count(1)
    assert len(asked) > 40
    assert [url for url in asked if not url.startswith(f"{billor.url}/billor/")] == []


def test_the_first_view_is_small(billor, open_board):
    billor.client.make_load()
    board = open_board(path="/healthz", color_scheme="dark")  # a context without a cache
    sizes: list[int] = []
    board.page.on("requestfinished", lambda request: sizes.append(sum(request.sizes().values())))
    board.page.goto(f"{billor.url}/board")
    expect(board.waiting).to_have_count(1)
    assert len(sizes) > 40
    assert sum(sizes) < MAX_FIRST_VIEW_BYTES


def test_logging_in_shows_the_board_and_logging_out_ends_it(billor, open_board):
    billor.client.make_load()
    board = open_board(email=None)
    board.log_in("wrong-password")
    expect(board.page.get_by_role("alert")).to_contain_text("or the password is wrong")
    board.log_in()
    expect(board.waiting).to_have_count(1)
    assert "token" not in board.page.url
    board.page.get_by_role("button", name="Account of Dana").click()
    board.page.get_by_role("menuitem", name="Log out", exact=True).click()
    expect(board.page.get_by_label("Password")).to_be_visible()
    assert board.page.evaluate("sessionStorage.length") == 0


def test_a_user_changes_their_password_and_stays_in(billor, open_board):
    email = "careful.dispatcher@billor.example"
    billor.make_user("Careful Dispatcher", email)
    board = open_board(email=None)
    board.log_in(email=email)
    page = board.page
    page.get_by_role("button", name="Account of Careful").click()
    page.get_by_role("menuitem", name="Change password").click()
    page.get_by_label("Old password").fill("a-good-password")
    page.get_by_label("New password").fill("password")
    page.get_by_role("button", name="Change password").click()
    expect(page.get_by_label("New password")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("New password").fill("another-good-password")
    page.get_by_role("button", name="Change password").click()
    expect(page.locator(".toast")).to_contain_text("Your password is changed.")
    expect(page.get_by_role("dialog")).to_have_count(0)
    board.expect_live()


def test_errors_of_a_form_are_at_their_fields(billor, open_board):
    board = open_board()
    page = board.page
    page.get_by_role("button", name="New load").click()
    page.get_by_role("dialog").get_by_label("From").fill("Laredo, TX")
    page.get_by_label("Pickup").fill("2031-05-04T08:30")
    page.get_by_label("Deliver by").fill("2031-05-03T08:30")
    page.get_by_role("button", name="Create load").click()
    for label in ("To", "Cargo type"):
        field = page.get_by_role("dialog").get_by_label(label)
        expect(field).to_have_accessible_description(re.compile("Missing data"))
    page.get_by_role("dialog").get_by_label("To").fill("Denver, CO")
    page.get_by_label("Cargo type").fill("Steel")
    page.get_by_role("button", name="Create load").click()
    expect(page.get_by_label("Deliver by")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Deliver by").fill("2031-05-05T08:30")
    page.get_by_role("button", name="Create load").click()
    expect(board.waiting).to_contain_text(["Laredo, TX"])


def test_a_refused_license_number_is_told_in_the_form(billor, open_board):
    billor.make_drivers("Alex Carter")
    board = open_board()
    page = board.page
    page.get_by_role("button", name="More", exact=True).click()
    page.get_by_role("menuitem", name="New driver").click()
    page.get_by_label("Name").fill("Robin Reed")
    page.get_by_label("License number").fill("tx 1")
    page.get_by_role("button", name="Create driver").click()
    expect(page.get_by_role("alert")).to_contain_text("has this license number")
    page.get_by_label("License number").fill("TX-2")
    page.get_by_role("button", name="Create driver").click()
    expect(board.drivers).to_contain_text(["Alex Carter", "Robin Reed"])


def test_an_import_tells_what_became_of_each_row(billor, open_board, tmp_path: Path):
    file = tmp_path / "loads.csv"
    file.write_text(
        "origin,destination,cargoType\n"
        "Imported 1,There,Steel\nNowhere,,Steel\nImported 2,There,Logs\n"
    )
    board = open_board()
    page = board.page
    page.get_by_role("button", name="More", exact=True).click()
    page.get_by_role("menuitem", name="Import loads").click()
    page.get_by_label("Choose a file").set_input_files(file)
    page.get_by_role("button", name="Import", exact=True).click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("2 created, 1 refused.")
    rows = dialog.get_by_role("list", name="Rows of the file").get_by_role("listitem")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("destination: Missing data for required field.")
    dialog.get_by_label("Only refused rows").uncheck()
    expect(rows).to_have_count(3)
    page.get_by_role("button", name="Close").last.click()
    expect(board.waiting).to_contain_text(["Imported 1", "Imported 2"])


def test_a_file_that_cannot_be_read_is_refused_with_the_reason(billor, open_board, tmp_path: Path):
    file = tmp_path / "loads.csv"
    file.write_text("origin,weight\nDallas,3\n")
    board = open_board()
    board.page.get_by_role("button", name="More", exact=True).click()
    board.page.get_by_role("menuitem", name="Import loads").click()
    board.page.get_by_label("Choose a file").set_input_files(file)
    board.page.get_by_role("button", name="Import", exact=True).click()
    expect(board.page.get_by_role("alert")).to_contain_text("column")


def test_the_current_view_is_exported_as_a_file(billor, open_board):
    for origin in ("Laredo, TX", "Memphis, TN"):
        billor.client.make_load(origin=origin)
    board = open_board(path="/board?q=laredo")
    expect(board.waiting).to_have_count(1)
    board.page.get_by_role("button", name="More", exact=True).click()
    with board.page.expect_download() as download:
        board.page.get_by_role("menuitem", name="Export this view").click()
    assert download.value.suggested_filename == "loads.csv"
    with download.value.path().open() as file:
        assert [row["origin"] for row in csv.DictReader(file)] == ["Laredo, TX"]


def test_one_search_finds_loads_drivers_and_what_is_finished(billor, open_board):
    (driver, _) = billor.make_drivers("João Silva", "Chen Wei")
    done = billor.client.make_load(origin="São Paulo")
    assignment = billor.client.assign(driver, done).body
    assert billor.client.close_assignment(assignment["id"]).status == 200
    billor.client.make_load(origin="Santos", cargoType="Café")
    billor.client.make_load(origin="Dallas, TX", reference="PO-77")
    board = open_board()
    search = board.page.get_by_label("Search loads and drivers")
    search.fill("SAO pau")
    finished = board.page.get_by_role("list", name="Finished loads").get_by_role("listitem")
    expect(finished).to_contain_text(["São Paulo"])
    expect(board.waiting).to_have_count(0)
    search.fill("cafe")
    expect(board.waiting).to_contain_text(["Santos"])
    search.fill("joao")
    expect(board.drivers).to_contain_text(["João Silva"])
    search.fill("po-77")
    expect(board.waiting).to_contain_text(["Dallas, TX"])


def test_filters_are_in_the_address_and_the_token_is_not(billor, open_board):
    for origin in ("Laredo, TX", "Memphis, TN"):
        billor.client.make_load(origin=origin)
    board = open_board()
    board.page.get_by_label("From").fill("laredo")
    board.page.get_by_role("button", name="Waiting", exact=False).first.click()
    expect(board.waiting).to_contain_text(["Laredo, TX"])
    assert board.page.url == f"{billor.url}/board?show=waiting&origin=laredo"
    again = open_board(path="/board?show=waiting&origin=laredo")
    expect(again.waiting).to_have_count(1)
    expect(again.page.get_by_role("heading", name="On the road")).to_have_count(0)
    again.page.get_by_role("button", name="Clear filters").click()
    expect(again.waiting).to_have_count(2)


def test_text_of_strangers_is_shown_as_text_everywhere(billor, open_board):
    (driver, other) = billor.make_drivers(HARMFUL, f"Other {HARMFUL}")
    fields = {"origin": HARMFUL, "destination": HARMFUL, "cargoType": HARMFUL}
    waiting, road = (billor.client.make_load(**fields) for _ in range(2))
    billor.client.assign(driver, road)
    board = open_board()
    page = board.page
    expect(board.waiting).to_contain_text([HARMFUL])
    expect(board.road).to_contain_text([HARMFUL])
    board.drag(board.waiting.first, board.drivers.first)
    expect(board.road).to_have_count(2)
    page.get_by_label("Search loads and drivers").fill(HARMFUL)
    expect(board.road).to_have_count(2)
    for load in (waiting, road):
        page.goto(f"{billor.url}/board?q={HARMFUL}#/loads/{load['id']}")
        expect(page.get_by_role("heading", level=1).last).to_contain_text(HARMFUL)
        expect(page.locator(".timeline")).to_contain_text(HARMFUL)
    assert "harmed" not in page.title()
    assert page.locator("img").count() == 0
    assert other["name"].endswith(HARMFUL)


def test_a_stranger_without_a_token_gets_no_data(billor, open_board):
    board = open_board(email=None, path="/board#/loads/1")
    expect(board.page.get_by_label("Email")).to_be_visible()
    assert board.writes == []
    assert EMAIL not in board.page.content()


def test_the_statistics_are_pictures_and_tables(billor, open_board):
    billor.client.make_load()
    board = open_board(path="/board#/stats")
    picture = board.page.get_by_role("img", name=re.compile(r"In 30 days: Created 1, Completed 0"))
    expect(picture).to_be_visible()
    board.page.get_by_text("As a table").first.click()
    expect(board.page.get_by_role("table").first.get_by_role("row")).to_have_count(31)
