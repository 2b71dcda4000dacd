"""The dispatch board: a page with one script and one style sheet, which uses the public API only.

Other languages than English have a dictionary each, which browsers get when they need it.

The address of an asset carries the version of them all, so browsers keep assets for ever, and never
mix those of two versions. The page itself is asked for each time; a service worker keeps it for
times without a network.
"""

import json
from hashlib import blake2b
from html import escape
from mimetypes import guess_type
from pathlib import Path

from flask import Blueprint, Response, abort, current_app, make_response, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from billor.board.modules import assemble

HERE = Path(__file__).parent
STYLE_SHEETS = ("base", "controls", "board", "pages", "preferences", "print")


def _modules() -> dict[str, str]:
    paths = [*(HERE / "js").rglob("*.js"), *(HERE / "vendor").glob("*.mjs")]
    return {path.relative_to(HERE).as_posix(): path.read_text() for path in paths}


ASSETS = {
    "board.js": assemble(_modules(), "js/main.js").encode(),
    "board.css": b"".join((HERE / "css" / f"{name}.css").read_bytes() for name in STYLE_SHEETS),
    "icon.svg": (HERE / "css" / "icon.svg").read_bytes(),
    **{path.name: path.read_bytes() for path in (HERE / "icons").iterdir()},
    **{path.name: path.read_bytes() for path in (HERE / "words").glob("*.json")},
}
"""What is served, by name."""

VERSION = blake2b(b"".join(ASSETS.values()), digest_size=6).hexdigest()
SERVICE_WORKER = (
    (HERE / "js/worker.js")
    .read_text()
    .replace("{version}", VERSION)
    .replace('["{names}"]', json.dumps(list(ASSETS)))
)
PAGE = (HERE / "page.html").read_text().replace("{root}", f"./board/{VERSION}")
STARTING = (
    "Starting …",
    "Nothing more? Billor needs Chrome or Edge 114, Firefox 125, Safari 17, or later.",
    "The dispatch board needs JavaScript. The API is described at /docs.",
)
"""What the page says before its script runs."""


def _page(words: dict[str, str], language: str) -> str:
    page = PAGE.replace('lang="en"', f'lang="{language}"')
    for sentence in STARTING:
        page = page.replace(sentence, words.get(sentence, sentence))
    return page


PAGES = {"en": PAGE} | {
    path.stem: _page(json.loads(path.read_bytes()), path.stem)
    for path in (HERE / "words").glob("*.json")
}
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types billor"
)

blueprint = Blueprint("board", __name__)


@blueprint.get("/")
def root() -> AnyResponse:
    """Lead people who open the API's address to the board."""
    return redirect(url_for("board.page"), 302)


@blueprint.get("/board")
def page() -> Response:
    """Serve the board's page, with the company's time zone, in a language of the browser."""
    time_zone = current_app.config["BILLOR"].time_zone or ""
    language = request.accept_languages.best_match(PAGES, "en")
    filled = PAGES[language].replace("{time_zone}", time_zone).replace("{demo}", _demo_account())
    response = make_response(filled)
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    response.cache_control.no_cache = True
    response.vary.add("Accept-Language")
    return response


def _demo_account() -> str:
    """Return as attributes the account that the login offers, if it is public."""
    config = current_app.config["BILLOR"]
    if not config.has_public_demo:
        return ""
    return f' data-email="{escape(config.demo_email)}" data-password="{config.demo_password}"'


@blueprint.get("/board/sw.js")
def service_worker() -> Response:
    """Serve the service worker, for the page beside its folder, too."""
    response = make_response(SERVICE_WORKER)
    response.mimetype = "text/javascript"
    response.headers["Service-Worker-Allowed"] = "../board"
    response.headers["Content-Security-Policy"] = "default-src 'none'; connect-src 'self'"
    response.cache_control.no_cache = True
    return response


@blueprint.get("/board/<version>/<name>")
def asset(version: str, name: str) -> Response:
    """Serve the script, the style sheet, the icon or a dictionary of this version."""
    if name not in ASSETS or version != VERSION:
        abort(404)
    response = make_response(ASSETS[name])
    response.mimetype = guess_type(name)[0] or "text/javascript"
    response.cache_control.public = True
    response.cache_control.immutable = True
    response.cache_control.max_age = 365 * 24 * 60 * 60
    return response
