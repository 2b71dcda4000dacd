"""The board's page: its assets, the login, forms, files, search, and hostile text."""

import re
from pathlib import Path

from playwright.sync_api import Route, expect

from billor.board import CONTENT_SECURITY_POLICY
from tests.support.board import Board

# The letters at the end are written from right to left.
HARMFUL = "<img src=x onerror=document.title='harmed'> \u05d7\u05d9\u05e4\u05d4"
IN_THE_SENTENCE = """() => {
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  while (texts.nextNode()) {
    const { data, parentElement } = texts.currentNode;
    if (/[\u0590-\u05ff]/.test(data) && !parentElement.closest("bdi")) found.push(data);
  }
  return found;
}"""


def open_menu(board: Board, item: str) -> None:
    board.page.get_by_role("button", name="More", exact=True).click()
    board.page.get_by_role("menuitem", name=item).click()


def test_the_root_leads_to_the_page_whose_assets_are_cached_for_ever(billor):
    reply = billor.client.get("/")
    assert (reply.status, reply.headers["Location"]) == (302, "/board")
    page = billor.client.get("/board")
    assert page.headers["Cache-Control"] == "no-cache"
    assert page.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    addresses = re.findall(r'(?:href|src)="\.([^"]+)"', page.body.decode())
    assert len(addresses) == 5
    for address in addresses:
        asset = billor.client.get(address)
        assert asset.status == 200, address
        assert asset.headers["Cache-Control"] == "public, immutable, max-age=31536000"
    old = re.sub("/board/[0-9a-f]+/", "/board/000000000000/", addresses[0])
    assert billor.client.get(old).status == 404
    assert billor.client.get(f"{addresses[0]}/../../__init__.py").status == 404


def test_logging_in_shows_the_board_and_logging_out_ends_it(billor, open_board):
    billor.make_many(loads=1, drivers=1)
    board = open_board(email=None)
    expect(board.page.get_by_role("main")).to_contain_text("who is on the road")
    assert board.axe_violations() == []
    board.log_in("wrong-password")
    expect(board.page.get_by_role("alert")).to_contain_text("or the password is wrong")
    board.log_in()
    expect(board.waiting).to_have_count(1)
    assert "token" not in board.page.url

    def choose(item: str) -> None:
        board.page.get_by_role("button", name="Account of Dana").click()
        board.page.get_by_role("menuitem", name=item, exact=True).click()

    board.page.route("**/auth/logout*", lambda route: route.abort())
    choose("Log out everywhere")  # which is true only when the API has done it
    expect(board.page.locator(".toast")).to_contain_text(["Billor cannot be reached."])
    choose("Log out")
    expect(board.page.get_by_label("Password")).to_be_visible()
    assert board.page.evaluate("localStorage.length") == 0
    board.page.get_by_role("button", name="Use the demo account").click()
    expect(board.page.get_by_role("button", name="New load")).to_be_visible()


def test_errors_of_a_form_are_at_their_fields(open_board):
    board = open_board()
    page = board.page
    page.get_by_role("button", name="New load").click()
    form = page.get_by_role("dialog")
    create = form.get_by_role("button", name="Create load")
    pickup = form.get_by_label("Pickup")
    form.get_by_label("From").fill("Laredo, TX")
    page.keyboard.press("Escape")
    discard = page.get_by_role("dialog", name="Discard what you typed?")
    expect(discard).to_be_visible()
    page.keyboard.press("Escape")
    expect(discard).to_have_count(0)
    page.evaluate("location.hash = '#/stats'")  # no less
    discard.get_by_role("button", name="Back").click()
    expect(discard).to_have_count(0)
    page.go_back()
    discard.get_by_role("button", name="Back").click()
    create.click()
    expect(form.get_by_label("To")).to_be_focused()
    for label in ("To", "Cargo type"):
        field = form.get_by_label(label)
        expect(field).to_have_accessible_description("Fill this in.")
        field.fill("Denver, CO")

    a_part, a_year = re.compile("Enter a date and a time"), re.compile("between 2000 and 2100")
    for typed, message in {"05042031": a_part, "05040026\t0830AM": a_year}.items():
        pickup.fill("")
        pickup.press_sequentially(typed)
        create.click()
        expect(pickup).to_have_accessible_description(message)
        expect(pickup).to_be_focused()
    pickup.fill("2031-05-04T08:30")
    assert board.writes == []
    create.click()
    expect(board.waiting).to_contain_text(["Laredo, TX"])


def test_an_import_is_previewed_and_goes_on_when_its_dialog_is_closed(open_board, tmp_path: Path):
    file = tmp_path / "loads.csv"
    file.write_text("Ship From,To,Cargo,Rate\nPreviewed,There,Steel,9\nNowhere,,Steel,9\n")
    board = open_board()
    page, dialog = board.page, board.page.get_by_role("dialog")
    open_menu(board, "Import loads")
    with page.expect_download() as download:
        dialog.get_by_role("button", name="Download a template").click()
    template = download.value.path().read_text(encoding="utf-8-sig")
    assert template.startswith("origin,destination,cargoType")
    dialog.get_by_label("Choose a file").set_input_files(file)
    expect(dialog.get_by_role("columnheader")).to_have_text(
        ["Row", "Outcome", "From ← Ship From", "To ← To", "Cargo type ← Cargo"]
    )
    expect(dialog).to_contain_text("1 can be created or are there already, 1 will be refused.")
    expect(dialog).to_contain_text("Columns left out: Rate.")
    expect(dialog.get_by_role("row").nth(1)).to_contain_text("To: Fill this in.")
    assert board.axe_violations() == []
    expect(board.waiting).to_have_count(0)

    file.write_text("origin,destination,cargoType\nImported,There,Steel\n,There,Steel\n")
    dialog.get_by_role("button", name="Import", exact=True).click()
    expect(dialog.get_by_role("alert")).to_contain_text("choose it again")
    dialog.get_by_label("Choose a file").set_input_files(file)
    dialog.get_by_role("button", name="Import", exact=True).click()
    expect(dialog).to_contain_text("1 created, 1 refused.")
    expect(dialog.get_by_role("row")).to_contain_text(["Outcome", "3From: Fill this in.", "2Load"])
    dialog.get_by_role("button", name="Import another file").click()
    file.write_text("origin,destination,cargoType\nMended,There,Steel\n,There,Steel\n")
    dialog.get_by_label("Choose a file").set_input_files(file)
    held: list[Route] = []
    expect(dialog).to_contain_text("1 can be created or are there already, 1 will be refused.")
    page.route("**/loads/import?*", lambda route: held.append(route))
    with page.expect_request("**/loads/import?*"):
        dialog.get_by_role("button", name="Import", exact=True).click()
    dialog.get_by_role("button", name="Close").last.click()
    expect(dialog).to_have_count(0)
    held[0].continue_()
    expect(page.locator(".toast")).to_contain_text(["1 created, 1 refused"])
    expect(board.waiting).to_contain_text(["Mended"])


def test_filters_are_in_the_address(billor, open_board):
    for origin in ("Laredo, TX", "Memphis, TN"):
        billor.client.make_load(origin=origin)
    board = open_board()
    board.page.get_by_label("From").fill("laredo")
    board.page.get_by_role("button", name="Waiting", exact=False).first.click()
    expect(board.waiting).to_contain_text(["Laredo, TX"])
    expect(board.waiting).to_have_count(1)
    assert board.page.url == f"{billor.url}/board?show=waiting&origin=laredo"
    board.page.reload()
    expect(board.waiting).to_have_count(1)
    expect(board.page.get_by_role("heading", name="On the road")).to_have_count(0)
    board.page.go_back()
    expect(board.page.get_by_role("heading", name="On the road")).to_have_count(1)
    expect(board.waiting).to_have_count(1)
    board.page.go_back()
    expect(board.waiting).to_have_count(2)
    board.page.go_forward()
    expect(board.page.get_by_label("From")).to_have_value("laredo")
    board.page.get_by_role("button", name="Clear filters").click()
    expect(board.waiting).to_have_count(2)


def test_one_search_finds_loads_drivers_and_what_is_finished(billor, open_board):
    (driver, _) = billor.make_drivers("João Silva", "Chen Wei")
    done = billor.client.make_load(origin="São Paulo")
    assignment = billor.client.assign(driver, done).body
    assert billor.client.close_assignment(assignment["id"]).status == 200
    billor.client.make_load(origin="Santos", cargoType="Café", reference="PO-77")
    board = open_board()
    search = board.page.get_by_label("Search loads and drivers")
    search.fill("SAO pau")
    finished = board.page.get_by_role("list", name="Finished loads").get_by_role("listitem")
    expect(finished).to_contain_text(["São Paulo"])
    expect(board.waiting).to_have_count(0)
    board.expect_live()
    next_one = billor.client.make_load(origin="São Paulo", cargoType="Cancelled meanwhile")
    assert billor.client.patch(f"/loads/{next_one['id']}", {"status": "CANCELLED"}).status == 200
    expect(finished).to_contain_text(["Cancelled meanwhile", "São Paulo"])
    search.fill("joao")
    expect(finished).to_contain_text(["João Silva"])
    with board.page.expect_request(re.compile("updatedTo=2001-05-05T05%3A00%3A00")):
        board.page.get_by_label("To day").fill("2001-05-04")
    expect(finished).to_have_count(0)
    board.page.get_by_role("button", name="Clear filters").click()
    for text in ("cafe", "po-77"):
        search.fill(text)
        expect(board.waiting).to_contain_text(["Santos"])
    search.fill("joao")
    expect(board.drivers).to_contain_text(["João Silva"])


def test_hostile_text_is_shown_as_text_that_reorders_nothing(billor, open_board):
    drivers = billor.make_drivers(HARMFUL, f"Other {HARMFUL}", f"Third {HARMFUL}")
    names = ("origin", "destination", "cargoType", "equipment", "pickupContact", "notes")
    fields = dict.fromkeys(names, HARMFUL)
    waiting, road = (billor.client.make_load(**fields) for _ in range(2))
    billor.client.assign(drivers[0], road)
    board = open_board()
    page = board.page

    def expect_isolated() -> None:
        assert page.evaluate(IN_THE_SENTENCE) == []

    expect(board.road).to_contain_text([HARMFUL])
    board.drag(board.waiting.first, board.drivers.first)
    expect(board.road).to_have_count(2)
    expect_isolated()
    board.road.first.get_by_role("button", name="Complete").click()
    expect(page.get_by_role("dialog")).to_contain_text(HARMFUL)
    expect_isolated()
    page.goto(f"{billor.url}/board?q={HARMFUL}#/loads/{waiting['id']}")
    expect(page.get_by_role("heading", level=1).last).to_contain_text(HARMFUL)
    page.get_by_label("Comment").fill(HARMFUL)
    page.get_by_role("button", name="Add comment").click()
    expect(page.locator(".timeline blockquote")).to_contain_text(HARMFUL)
    page.get_by_text("Audit trail").click()
    expect_isolated()
    page.get_by_role("button", name="Give to another driver").click()
    expect(page.locator(".choosing-head")).to_contain_text(HARMFUL)
    expect_isolated()
    assert "harmed" not in page.title()
    assert page.locator("img").count() == 0


def test_a_browser_that_is_too_old_is_told_which_ones_are_not(open_board):
    board = open_board(email=None, locale="pt-BR")
    board.page.add_init_script("delete HTMLElement.prototype.popover")
    board.page.reload()
    expect(board.page.get_by_text("O Billor precisa do Chrome")).to_be_visible()
    expect(board.page.get_by_role("textbox")).to_have_count(0)
