"""The documentation page: Swagger UI, served from its package and this folder, without a CDN."""

from importlib.resources import files
from pathlib import Path

from flask import Blueprint, Response, send_from_directory

HERE = Path(__file__).parent
SWAGGER_UI = Path(str(files("flask_swagger_ui") / "dist"))
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

blueprint = Blueprint("docs", __name__, url_prefix="/docs")


@blueprint.get("", defaults={"name": "page.html"})
@blueprint.get("/<name>")
def page(name: str) -> Response:
    """Serve the page that shows /openapi.json and lets users try its operations, or its parts."""
    response = send_from_directory(HERE if name.startswith("page.") else SWAGGER_UI, name)
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    return response
