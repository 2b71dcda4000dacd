"""The dispatch board: a page of static modules, which uses the public API only.

The address of an asset carries the version of them all, so browsers keep assets for ever, and never
mix those of two versions. The page itself is asked for each time.
"""

import gzip
import re
from base64 import b64encode
from functools import cache
from hashlib import blake2b, sha256
from mimetypes import guess_type
from pathlib import Path

from flask import Blueprint, Response, abort, make_response, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

HERE = Path(__file__).parent
FOLDERS = ("css", "js", "vendor")
SUFFIXES = (".css", ".js", ".mjs", ".svg")

ASSETS = {
    str(path.relative_to(HERE)): path.read_bytes()
    for folder in FOLDERS
    for path in sorted((HERE / folder).rglob("*"))
    if path.suffix in SUFFIXES
}
"""The content of each file that is served, by its path."""

VERSION = blake2b(
    b"".join(name.encode() + content for name, content in ASSETS.items()), digest_size=6
).hexdigest()


def _page_of(template: str) -> str:
    """Fill in where the assets are, and have the browser ask for all modules at once."""
    modules = "\n    ".join(
        f'<link rel="modulepreload" href="{{root}}/{name}">'
        for name in ASSETS
        if name.startswith("js/")
    )
    return template.replace("{modules}", modules).replace("{root}", f"./board/{VERSION}")


PAGE = _page_of((HERE / "page.html").read_text())


def _hash_of_import_map(page: str) -> str:
    """Return the CSP source of the one script that must be inline."""
    found = re.search(r'<script type="importmap">(.*?)</script>', page, re.DOTALL)
    assert found is not None, "the page has an import map"  # noqa: S101
    return f"'sha256-{b64encode(sha256(found[1].encode()).digest()).decode()}'"


CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; script-src 'self' {_hash_of_import_map(PAGE)}; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)

blueprint = Blueprint("board", __name__)


@blueprint.get("/")
def root() -> AnyResponse:
    """Lead people who open the API's address to the board."""
    return redirect(url_for("board.page"), 302)


@blueprint.get("/board")
def page() -> Response:
    """Serve the board's page."""
    response = make_response(PAGE)
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    response.cache_control.no_cache = True
    return response


@blueprint.get("/board/<version>/<path:name>")
def asset(version: str, name: str) -> Response:
    """Serve a module, a style sheet or the icon of this version."""
    if name not in ASSETS or version != VERSION:
        abort(404)
    is_compressed = request.accept_encodings.quality("gzip") > 0
    response = make_response(_compressed(name) if is_compressed else ASSETS[name])
    if is_compressed:
        response.content_encoding = "gzip"
    response.vary.add("Accept-Encoding")
    response.mimetype = guess_type(name)[0] or "text/javascript"
    response.cache_control.public = True
    response.cache_control.immutable = True
    response.cache_control.max_age = 365 * 24 * 60 * 60
    return response


@cache
def _compressed(name: str) -> bytes:
    return gzip.compress(ASSETS[name])
