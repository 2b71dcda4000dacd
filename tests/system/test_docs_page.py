"""The docs page in a real browser: logging in and calling operations, without other origins."""

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.support.browser import HOST, no_troubles
from tests.support.system import Api


@pytest.fixture
def api(seeded_system) -> Api:
    return seeded_system.start_api(workers=1, TRUSTED_HOSTS=HOST)


@pytest.fixture
def page(browser: Browser, api: Api) -> Iterator[Page]:
    """The docs page. It must send no request to other origins and leave the console empty."""
    origin = f"http://{HOST}:{api.client.port}"
    with (
        browser.new_context(viewport={"width": 1280, "height": 1000}) as context,
        context.new_page() as page,
        no_troubles(page, origin),
    ):
        page.goto(f"{origin}/docs")
        yield page


def open_operation(page: Page, operation_id: str) -> Locator:
    operation = page.locator(f".opblock[id$='-{operation_id}']")
    operation.locator(".opblock-summary-control").click()
    return operation


def execute(operation: Locator) -> tuple[str, str]:
    """Press the button; return the status and the body that the page shows."""
    operation.get_by_role("button", name="Execute").click()
    answer = operation.locator(".live-responses-table .response").first
    status = answer.locator(".response-col_status").inner_text()
    return status.split()[0], answer.locator(".highlight-code code").first.inner_text()


def test_logging_in_on_the_page_authorizes_everything_else(page: Page):
    unlocked = page.get_by_label("authorization button unlocked")
    expect(unlocked).not_to_have_count(0)

    status, body = execute(open_operation(page, "login"))
    assert status == "200"
    assert json.loads(body)["token_type"] == "Bearer"
    expect(unlocked).to_have_count(0)
    status, body = execute(open_operation(page, "listLoads"))
    assert status == "200"
    assert {load["origin"] for load in json.loads(body)} >= {"Dallas, TX", "Houston, TX"}

    with page.context.new_page() as another:
        another.goto(page.url)
        expect(another.get_by_label("authorization button unlocked")).not_to_have_count(0)
    page.get_by_role("button", name="Authorize", exact=True).click()
    page.locator(".modal-btn", has_text="Logout").click()
    page.reload()
    expect(unlocked).not_to_have_count(0)
    assert page.evaluate("JSON.stringify([localStorage, sessionStorage])").count("ey") == 0
