"""A real Chromium, and pages that must leave its console empty."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
PROGRAMS = [program for name in CHROMIUMS if (program := shutil.which(name))]
# Not localhost, where Swagger UI calls no validator. Other hosts cannot be resolved.
HOST = "billor.example"
RESOLVER = f"--host-resolver-rules=MAP {HOST} 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
ANSWER_MILLISECONDS = 30_000
NO_TROUBLE = ("Failed to load resource: ", "Service Worker registration blocked by Playwright")


def options() -> dict[str, Any]:
    """How the Chromium on PATH is started."""
    sandbox = os.geteuid() != 0  # it does not work for root
    return {"executable_path": PROGRAMS[0], "args": [RESOLVER], "chromium_sandbox": sandbox}


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the Chromium on PATH; without one, skip and say so."""
    if not PROGRAMS:
        pytest.skip("Chromium is not installed: board and docs are NOT tested in a browser")
    expect.set_options(timeout=ANSWER_MILLISECONDS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**options())
        yield browser
        browser.close()


@contextmanager
def no_troubles(page: Page, origin: str) -> Iterator[None]:
    """Fail unless all requests go to this origin, and the console stays empty.

    Browsers log there what they blocked, and errors of scripts. A refusal by the API is none.
    """
    troubles: list[str] = []

    def note_message(message) -> None:
        if not message.text.startswith(NO_TROUBLE):
            troubles.append(f"{message.type}: {message.text}")

    def note_address(address: str) -> None:
        if not address.startswith((f"{origin}/", "data:", "blob:")):
            troubles.append(f"requested {address}")

    page.on("console", note_message)
    page.on("request", lambda request: note_address(request.url))
    page.on("pageerror", lambda error: troubles.append(str(error)))
    yield
    assert not troubles, "\n".join(troubles)
