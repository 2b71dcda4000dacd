"""The documentation: Swagger UI, served from its package and this folder, and the errors.

Nothing comes from a CDN.
"""

from importlib.resources import files
from pathlib import Path

from flask import Blueprint, Response, abort, render_template, send_from_directory

from billor.api.problems import title_of
from billor.errors import CODES

HERE = Path(__file__).parent
OPENAPI = HERE.parents[2] / "openapi.json"
SWAGGER_UI = Path(str(files("flask_swagger_ui") / "dist"))
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

blueprint = Blueprint("docs", __name__, template_folder=str(HERE))


@blueprint.get("/openapi.json")
def openapi() -> Response:
    """Serve the OpenAPI document, which `make openapi` writes."""
    return Response(OPENAPI.read_bytes(), content_type="application/json")


@blueprint.get("/docs", defaults={"name": "page.html"})
@blueprint.get("/docs/<name>")
def page(name: str) -> Response:
    """Serve the page that shows /openapi.json and lets users try its operations, or its parts."""
    response = send_from_directory(HERE if name.startswith("page.") else SWAGGER_UI, name)
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    return response


@blueprint.get("/docs/problems", defaults={"code": None})
@blueprint.get("/docs/problems/<code>")
def problems(code: str | None) -> str:
    """Explain the codes of problems, or the one whose `type` is this URL."""
    shown = {each: CODES[each] for each in CODES if code in (None, each)}
    return render_template("problems.html", problems=shown or abort(404), title_of=title_of)
