"""Doing much at once: several loads, keys, copies, files of what is shown, and paper."""

import csv
import re

import pytest
from playwright.sync_api import expect

from tests.support.board import Board


@pytest.fixture
def billor(billor):
    """The system with three loads and three drivers."""
    places = ("Łódź", "Memphis, TN", "Reno, NV")
    billor.loads = [billor.client.make_load(origin=place) for place in places]
    billor.drivers = billor.make_drivers("Alex Carter", "Brianna Lopez", "Chen Wei")
    return billor


def exported(board: Board) -> tuple[str, list[dict[str, str]]]:
    """The name and the rows of the exported file, which begins with a byte order mark."""
    with board.page.expect_download() as download:
        if "#/stats" in board.page.url:
            board.page.get_by_role("button", name="Export assignments").click()
        else:
            board.page.get_by_role("button", name="More", exact=True).click()
            board.page.get_by_role("menuitem", name="Export this view").click()
    text = download.value.path().read_bytes().decode("utf-8")
    assert text.startswith("\ufeff")
    return download.value.suggested_filename, list(csv.DictReader(text[1:].splitlines()))


def test_several_loads_are_assigned_and_cancelled_each_with_its_outcome(billor, open_board):
    first, second, third = billor.loads
    alex, brianna, _ = billor.drivers
    board = open_board()
    page, dialog = board.page, board.page.get_by_role("dialog")
    main = board.waiting.get_by_role("button")
    main.first.click(modifiers=["Control"])
    main.nth(2).click(modifiers=["Shift"])
    expect(page.get_by_text("3 selected")).to_be_visible()
    main.nth(1).focus()
    page.keyboard.press("x")
    expect(page.get_by_text("2 selected")).to_be_visible()
    page.get_by_role("button", name="Assign", exact=True).click()
    for load, driver in ((first, alex), (third, brianna)):
        option = f"{driver['name']}, {driver['licenseNumber']}"
        dialog.get_by_label(f"Driver for load {load['id']}").select_option(option)
    board.before_request("/bulk", "POST", lambda: billor.client.assign(brianna, second))
    assert board.axe_violations() == []
    dialog.get_by_role("button", name="Assign").click()
    rows = dialog.get_by_role("row")
    expect(rows.filter(has_text="Łódź")).to_contain_text("Alex CarterAssigned")
    expect(rows.filter(has_text="Reno")).to_contain_text("The driver has an active load")
    expect(dialog).to_be_focused()
    page.keyboard.press("Escape")
    expect(main.first).to_be_focused()
    expect(board.road).to_have_count(2)
    expect(board.waiting).to_have_count(1)

    tulsa = billor.client.make_load(origin="Tulsa, OK")
    expect(board.waiting).to_have_count(2)
    page.get_by_role("button", name="Select").first.click()
    for index in range(2):
        main.nth(index).click()
    board.road.locator("[data-main]").first.click()
    page.get_by_role("button", name="Cancel loads").click()
    driver = billor.drivers[2]
    board.before_request(
        f"/loads/{third['id']}", "PATCH", lambda: billor.client.assign(driver, third)
    )
    dialog.get_by_role("button", name="Cancel loads").click()
    expect(rows.filter(has_text="Tulsa")).to_contain_text("Cancelled")
    expect(rows.filter(has_text="Reno")).to_contain_text("This load is on the road")
    dialog.get_by_role("button", name="Close").last.click()
    expect(board.waiting).to_have_count(0)
    expect(board.road).to_have_count(3)
    statuses = [billor.client.get(f"/loads/{each['id']}").body["status"] for each in (third, tulsa)]
    assert statuses == ["ASSIGNED", "CANCELLED"]

    for row in (0, 2):
        board.road.locator("[data-main]").nth(row).click(modifiers=["Shift"])
    expect(page.get_by_text("3 selected")).to_be_visible()
    page.get_by_role("button", name="Cancel assignments").click()
    assert board.axe_violations() == []
    dialog.get_by_role("button", name="Cancel assignments").click()
    expect(rows.filter(has_text="Waits again")).to_have_count(3)
    dialog.get_by_role("button", name="Close").last.click()
    expect(board.waiting).to_have_count(3)


def test_keys_work_unless_somebody_types(billor, open_board):
    board = open_board()
    keyboard = board.page.keyboard
    main = board.waiting.locator("[data-main]")
    expect(main).to_have_count(3)
    for key, place in (("j", 0), ("j", 1), ("j", 2), ("k", 1)):
        keyboard.press(key)
        expect(main.nth(place)).to_be_focused()
    keyboard.press("/")
    search = board.page.get_by_label("Search loads and drivers")
    expect(search).to_be_focused()
    keyboard.type("cjk?")
    expect(search).to_have_value("cjk?")
    expect(board.page.get_by_role("dialog")).to_have_count(0)
    search.blur()
    keyboard.press("?")
    expect(board.page.get_by_role("dialog")).to_contain_text("New load")
    assert board.axe_violations() == []
    keyboard.press("Escape")
    keyboard.press("c")
    expect(board.page.get_by_role("dialog", name="New load")).to_be_visible()


def test_a_load_is_created_with_its_driver_changed_on_the_road_and_copied(billor, open_board):
    chen = billor.drivers[2]
    board = open_board()
    page, dialog = board.page, board.page.get_by_role("dialog")
    expect(board.drivers).to_have_count(3)
    page.get_by_role("button", name="New load").click()
    for label, text in {"From": "Waco, TX", "To": "Ames, IA", "Cargo type": "Steel"}.items():
        dialog.get_by_label(label, exact=True).fill(text)
    dialog.get_by_label("Driver").select_option(f"Chen Wei, {chen['licenseNumber']}")
    dialog.get_by_role("button", name="Create load").click()
    expect(board.road).to_contain_text(["Chen Wei"])
    board.road.get_by_role("link", name="Waco, TX").click()

    page.get_by_role("button", name="Change").click()
    expect(dialog.get_by_label("From")).not_to_be_editable()
    dialog.get_by_label("Reference").fill("PO-7")
    dialog.get_by_role("button", name="Save").click()
    expect(page.locator(".facts")).to_contain_text("PO-7")
    page.get_by_role("button", name="Copy").click()
    expect(dialog.get_by_label("From")).to_have_value("Waco, TX")
    expect(dialog.get_by_label("Reference")).to_have_value("")
    dialog.get_by_role("button", name="Create load").click()
    page.get_by_role("button", name="Cancel assignment").click()
    expect(page.locator(".page-head .status")).to_have_text("Waiting")
    page.get_by_role("link", name="Board").last.click()
    expect(board.waiting_load("Waco")).to_have_count(2)


def test_a_file_has_what_is_shown(billor, open_board):
    for load in billor.loads[1:]:
        billor.client.patch(f"/loads/{load['id']}", {"status": "CANCELLED"})
    board = open_board(path="/board?origin=od")
    expect(board.waiting).to_have_count(1)
    expect(board.drivers).to_have_count(3)
    for show, name, shown in (
        ("All", "loads.csv", ["Łódź"]),
        ("On the road", "loads.csv", []),
        ("Free", "drivers.csv", ["Alex Carter", "Brianna Lopez", "Chen Wei"]),
    ):
        board.page.get_by_role("button", name=re.compile(show)).first.click()
        found = exported(board)
        assert (found[0], [row.get("origin", row.get("name")) for row in found[1]]) == (name, shown)
    board.page.get_by_label("From", exact=True).fill("mem")
    board.page.get_by_role("button", name="Finished").click()
    finished = board.page.get_by_role("list", name="Finished loads").get_by_role("listitem")
    expect(finished).to_have_count(1)
    assert [row["origin"] for row in exported(board)[1]] == ["Memphis, TN"]


def test_paper_has_all_rows_and_each_driver_a_sheet(billor, open_board):
    billor.make_many(loads=200, drivers=20)
    (load, driver) = (billor.loads[0], billor.drivers[0])
    billor.client.assign(driver, load)
    board = open_board()
    expect(board.page.locator(".waiting .count")).to_have_text("199")
    board.page.evaluate(
        """() => addEventListener("beforeprint", () => {
          window.printed = document.querySelectorAll(".waiting li").length;
        })"""
    )
    board.page.pdf()
    assert board.page.evaluate("printed") == 199
    board.page.emulate_media(media="print")
    expect(board.page.get_by_role("button", name="New load")).to_have_count(0)
    board.page.goto(f"{billor.url}/board#/drivers/{driver['id']}")
    expect(board.page.locator(".facts")).to_contain_text("Łódź")
    expect(board.page.get_by_role("button")).to_have_count(0)


def test_statistics_say_who_completed_what_and_export_it(billor, open_board):
    late, _, _ = billor.loads
    alex, _, _ = billor.drivers
    billor.client.patch(f"/loads/{late['id']}", {"deliverBy": "2026-01-02T03:04:05Z"})
    billor.client.close_assignment(billor.client.assign(alex, late).body["id"])
    board = open_board(path="/board#/stats")
    expect(board.page.get_by_role("row", name="Alex Carter")).to_have_text(re.compile("0001.*0%$"))
    name, rows = exported(board)
    assert (name, [(row["driverName"], row["onTime"]) for row in rows]) == (
        "assignments.csv",
        [("Alex Carter", "false")],
    )
    board.page.get_by_label("To day").fill("2026-01-02")
    assert exported(board)[1] == []
