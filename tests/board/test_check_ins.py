"""Check-ins on the board: how far drivers are, what delays them, and how long they waited."""

import re
from datetime import UTC, datetime, timedelta

from playwright.sync_api import expect

from tests.support.board import MESSAGES_STAY


def ago(**time: float) -> str:
    return (datetime.now(UTC) - timedelta(**time)).isoformat()


def test_boards_show_how_far_a_driver_is_and_a_dispatcher_checks_in(billor, open_board):
    load = billor.client.make_load(origin="Laredo, TX", deliverBy=ago(hours=2))
    (driver,) = billor.make_drivers("Alex Carter")
    assignment = billor.client.assign(driver, load).body
    board = open_board()
    other = open_board(path=f"/board#/loads/{load['id']}", color_scheme="dark")
    page = board.page
    page.evaluate(MESSAGES_STAY)
    facts, timeline = other.page.locator(".facts"), other.page.locator(".timeline")
    for each in (board, other):
        each.expect_live()
    expect(board.road).to_contain_text("Late by")
    tap = {"kind": "AT_PICKUP", "happenedAt": ago(minutes=4)}
    billor.client.post(f"/assignments/{assignment['id']}/check-ins", tap)
    expect(board.road).to_contain_text(re.compile(r"At pickup for \d+ min"))
    expect(facts).to_contain_text(re.compile(r"Time at pickup\d+ min, since"))
    expect(timeline).to_contain_text(re.compile("checked in “At pickup”.*, received"))

    page.get_by_role("button", name="More about load").click()
    page.get_by_role("menuitem", name="Check in for the driver").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Step")).to_have_value("LOADED")
    when, now = dialog.get_by_label("When"), dialog.get_by_label("When").input_value()
    when.fill("2021-05-06T10:00")
    dialog.get_by_role("button", name="Check in").click()
    expect(dialog.get_by_role("alert")).to_contain_text("The driver did not have this load then.")
    when.fill(now)
    dialog.get_by_role("button", name="Check in").click()
    expect(board.road).to_contain_text("Loaded")
    expect(facts).to_contain_text(re.compile(r"Time at pickup\d+ min, from .* to "))
    page.get_by_role("button", name="Undo").click()
    expect(board.road).to_contain_text("At pickup for")
    expect(timeline).to_contain_text("undid the check-in “Loaded”")

    other.page.get_by_role("button", name="Check in").click()
    dialog = other.page.get_by_role("dialog")
    dialog.get_by_label("Step").select_option(label="Delayed")
    dialog.get_by_role("button", name="Check in").click()
    expect(dialog.get_by_label("Reason")).to_have_accessible_description("Fill this in.")
    dialog.get_by_label("Reason").select_option("Something else")
    dialog.get_by_label("What is it?").fill("Snow on I-40")
    dialog.get_by_label("Expected delivery").fill("2031-05-06T10:00")
    dialog.get_by_role("button", name="Check in").click()
    expect(board.road).to_contain_text("Delayed: Snow on I-40")
    expect(page.get_by_role("button", name="Late")).to_have_text("Late0")
    expect(facts).to_contain_text("Expected deliveryMay 6, 2031, 10:00 AM CDT DelayedSnow on I-40")
    expect(timeline).to_contain_text("“Delayed until May 6, 2031, 10:00 AM CDT: Snow on I-40”")
    assert [each.axe_violations() for each in (board, other)] == [[], []]
