"""The dispatch board in a browser, as people see it, over the whole system."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import jwt
import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Route, expect
from sqlalchemy import text

from billor.auth import resets
from billor.cache import cache
from billor.database import transaction
from billor.events.event import EventType
from billor.events.outbox import record
from billor.models import Role, db
from billor.users.service import find_user
from scripts.launcher.launcher import PROJECT
from tests.support.browser import no_troubles
from tests.support.http import HttpClient
from tests.support.system import Api, Process, System
from tests.support.users import make_user

EMAIL, PASSWORD = "dana.dispatcher@billor.example", "a-good-password"
DRIVER_EMAIL = "robin.driver@billor.example"
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"viewport": {"width": 375, "height": 740}, "has_touch": True, "is_mobile": True}
# What people prefer, and what axe then looks at: only the rules about contrast depend on colours.
MEDIA: dict[str, tuple[dict[str, Any], list[str] | None]] = {
    "light": ({"color_scheme": "light"}, None),
    "dark": ({"color_scheme": "dark"}, ["color-contrast"]),
    "forced": ({"forced_colors": "active"}, ["color-contrast"]),
    "contrast": ({"contrast": "more", "color_scheme": "light"}, ["color-contrast-enhanced"]),
}
# A blank page has no storage. Afterwards, what the page does with its tokens is up to it.
KEEP_TOKENS = """
  if (location.protocol === "http:" && !sessionStorage.getItem("begun")) {
    sessionStorage.setItem("begun", "yes");
    if (TOKENS) localStorage.setItem("billor.tokens/", JSON.stringify(TOKENS));
    else localStorage.clear();
  }
"""
# What the page has in a store of IndexedDB.
KEPT = """store => new Promise(resolve => {
  indexedDB.open("billor.kept/").onsuccess = ({ target: { result: database } }) => {
    const asked = database.transaction(store).objectStore(store).getAll();
    asked.onsuccess = () => { database.close(); resolve(asked.result); };
  };
})"""
# Else who is slow may find no button to undo.
MESSAGES_STAY = """() => {
  const wait = setTimeout;
  setTimeout = (run, pause) => wait(run, pause > 5_000 ? 1e9 : pause);
}"""
WRITES = ("POST", "PATCH")
# As browsers translate: elements take the place of all texts, also of names.
TRANSLATE = """() => {
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  while (texts.nextNode()) found.push(texts.currentNode);
  for (const text of found) {
    const font = document.createElement("font");
    font.textContent = text.data.trim() && `«${text.data}»`;
    text.replaceWith(font);
  }
}"""


class BoardSystem:
    """An API, with a dispatcher who has a password."""

    def __init__(self, system: System):
        self._system = system
        self.api: Api = system.start_api(workers=1)
        self.url = f"http://127.0.0.1:{self.client.port}"
        self._workers: list[Process] = []
        self.make_user("Dana Dispatcher", EMAIL)

    @property
    def client(self) -> HttpClient:
        return self.api.client

    def make_user(
        self, name: str, email: str, role: Role = Role.DISPATCHER, driver_id: int | None = None
    ) -> None:
        with self._system.app.app_context():
            make_user(name, email, PASSWORD, role, driver_id)

    def log_in(self, email: str = EMAIL) -> dict[str, Any]:
        reply = self.client.post("/auth/login", {"email": email, "password": PASSWORD})
        assert reply.status == 200, reply
        return reply.body

    def end_sessions(self, email: str = EMAIL) -> None:
        """End all sessions of a user."""
        token = self.log_in(email)["access_token"]
        reply = self.client.post("/auth/logout-all", Authorization=f"Bearer {token}")
        assert reply.status == 204, reply

    def link_of_mail(self, email: str) -> str:
        """The path of a link that sets this user's password."""
        with self._system.app.app_context():
            token = resets.make_token(EventType.PASSWORD_RESET_REQUESTED, find_user(email))
        return f"/board#reset={token}&email={email}"

    def start_api(self) -> None:
        """Start it again, at the same address."""
        self.api = self._system.start_api(workers=1, port=self.client.port)

    @contextmanager
    def changed(self, code: str) -> Iterator[None]:
        """Serve what this code makes of Billor, which it imports, at the same address."""
        (self._system.folder / "changed.py").write_text(f"{code}\nfrom wsgi import app\n")
        self.api.terminate()
        self.api = self._system.start_api(1, self.client.port, "changed:app")
        try:
            yield
        finally:
            self.api.terminate()
            self.start_api()

    @contextmanager
    def hung(self) -> Iterator[None]:
        """Suspend the process that answers: it accepts connections."""
        (process,) = self.api.children()
        process.suspend()
        try:
            yield
        finally:
            process.resume()

    def start_worker(self) -> None:
        """Start one that runs until the end of the test."""
        self._workers.append(self._system.start_worker())

    def make_drivers(self, *names: str) -> list[dict]:
        return [
            self.client.make_driver(f"TX-{number}", name) for number, name in enumerate(names, 1)
        ]

    def record(self, event_type: EventType, payload: dict, **ids: int) -> None:
        """Commit an event, as the worker does."""
        with self._system.app.app_context(), transaction():
            record(event_type, payload, **ids)

    def make_many(self, loads: int, drivers: int) -> None:
        """Make many rows with `flask seed`."""
        arguments = ["seed", "--loads", str(loads), "--drivers", str(drivers)]
        seeded = self._system.app.test_cli_runner().invoke(args=arguments)
        assert seeded.exit_code == 0, seeded.output

    def empty(self) -> None:
        """Delete everything but the two users of `System` and of this."""
        self.client.close()  # the server ends idle connections
        for worker in self._workers:
            worker.kill()
        with self._system.app.app_context():
            # A request of a page that was closed may still be running.
            db.session.execute(text("LOCK TABLE drivers, loads IN EXCLUSIVE MODE"))
            for table in reversed(db.metadata.sorted_tables):
                if table.name == "users":
                    db.session.execute(table.delete().where(table.c.id > 2))
                elif table.name != "sessions":
                    db.session.execute(table.delete())
            db.session.commit()
            db.session.remove()
            cache.cache.client.flushdb()


class Contexts:
    """Browser contexts by their options: pages of one share its cache and its storage."""

    def __init__(self, browser: Browser):
        self._browser = browser
        self._made: dict[str, BrowserContext] = {}

    def get(self, **options: Any) -> BrowserContext:
        key = json.dumps(options, sort_keys=True)
        if key not in self._made:
            usual = {
                "locale": "en-US",
                "timezone_id": "America/Chicago",
                "service_workers": "block",  # they hide requests from `page.route`
            }
            self._made[key] = self._browser.new_context(**usual | options)
        return self._made[key]

    def close(self) -> None:
        for context in self._made.values():
            context.close()


class Board:
    """One page with the board."""

    def __init__(
        self,
        contexts: Contexts,
        billor: BoardSystem,
        path: str = "/board",
        email: str | None = EMAIL,
        viewport: Mapping[str, int] = DESKTOP,
        **options: Any,
    ):
        """Without `email` nobody is logged in; `options` are those of a Playwright context."""
        self.context = contexts.get(**options)
        self.page = self.context.new_page()
        self._troubles = no_troubles(self.page, billor.url)
        self._troubles.__enter__()
        self.page.set_viewport_size(viewport)
        tokens = None if email is None else json.dumps(_tokens(billor.log_in(email)))
        self.page.add_init_script(KEEP_TOKENS.replace("TOKENS", tokens or "null"))
        self._tabs: list[Page] = []
        self.writes: list[str] = []
        """The writes that the page has sent, as method and path."""
        self.page.on("request", self._note_write)
        self.page.goto(billor.url + path)

    def close(self) -> None:
        for page in (*self._tabs, self.page):
            page.close()
        self._troubles.__exit__(None, None, None)

    def _note_write(self, request) -> None:
        if request.method in WRITES:
            self.writes.append(f"{request.method} {request.url.split('/', 3)[3]}")

    @property
    def waiting(self) -> Locator:
        return self.page.get_by_role("list", name="Waiting loads").get_by_role("listitem")

    @property
    def road(self) -> Locator:
        return self.page.get_by_role("list", name="Loads on the road").get_by_role("listitem")

    @property
    def drivers(self) -> Locator:
        return self.page.get_by_role("list", name="Free drivers").get_by_role("listitem")

    def waiting_load(self, route: str) -> Locator:
        """The row of the waiting load whose route has this text."""
        return self.waiting.filter(has_text=route)

    def drag(self, source: Locator, target: Locator, drop: bool = True) -> None:
        """Drag with the mouse; more than one move, or it would be a click."""
        source.hover(position={"x": 120, "y": 20})
        self.page.mouse.down()
        target.hover()
        target.hover(position={"x": 40, "y": 20})
        if drop:
            self.page.mouse.up()

    def lose_first_answer(
        self, path: str, method: str, then: Callable[[], Any] = lambda: None
    ) -> list[str]:
        """Let the server act on the first request, but lose its answer; return all keys so far."""
        keys: list[str] = []

        def handle(route: Route) -> None:
            if route.request.method != method:
                return route.continue_()
            keys.append(route.request.headers["idempotency-key"])
            if len(keys) > 1:
                return route.continue_()
            route.fetch()
            then()
            return route.abort("connectionreset")

        self.page.route(f"**{path}", handle)
        return keys

    def before_request(self, path: str, method: str, action: Callable[[], Any]) -> None:
        """Call `action` just before the page's request goes to the server."""

        def handle(route: Route) -> None:
            if route.request.method == method:
                action()
            route.continue_()

        self.page.route(f"**{path}", handle)

    def open_tab(self) -> Page:
        """Open the board in another tab of the same browser."""
        tab = self.page.context.new_page()
        tab.on("request", self._note_write)
        self._tabs.append(tab)
        tab.goto(self.page.url)
        return tab

    def log_in(self, password: str = PASSWORD, email: str = EMAIL) -> None:
        self.page.get_by_label("Email").fill(email)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Log in").click()

    def translate(self) -> None:
        """Replace all texts, as the browser's translation does."""
        self.page.evaluate(TRANSLATE)

    def expect_live(self) -> None:
        expect(self.page.locator(".dot")).to_have_class("dot dot-live")

    def axe_violations(self) -> list[str]:
        """What axe finds on the page, in all kinds of colours."""
        script = PROJECT / "node_modules/axe-core/axe.min.js"
        if not script.exists():
            pytest.skip("axe-core is not installed: scripts/node.sh")
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(script.read_text())
        found = []
        for name, (media, rules) in MEDIA.items():
            usual = {"forced_colors": "none", "contrast": "no-preference"}
            self.page.emulate_media(**usual | media, reduced_motion="reduce")
            options = {"resultTypes": ["violations"]} | ({"runOnly": rules} if rules else {})
            result = self.page.evaluate("options => axe.run(options)", options)
            found += [
                f"{name}: {violation['id']}: {node['html']}\n{node['failureSummary']}"
                for violation in result["violations"]
                for node in violation["nodes"]
            ]
        return found


def _tokens(answer: dict[str, Any]) -> dict[str, Any]:
    """Return what the page keeps of this answer to a login."""
    access = answer["access_token"]
    claims = jwt.decode(access, options={"verify_signature": False})
    return {
        "userId": int(claims["sub"]),
        "access": access,
        "refresh": answer["refreshToken"],
        "expiresAt": 2**53 - 1,
    }
