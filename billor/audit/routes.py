"""Routes of `/audit`."""

from flask import Response, json

from billor.audit import service
from billor.audit.schemas import AuditDocumentSchema, AuditQuery
from billor.http.api import Blueprint
from billor.http.openapi import AUDIT_HEADERS, PAGE_HEADERS
from billor.http.pagination import page_headers

blueprint = Blueprint("audit", __name__, url_prefix="/audit", description="What happened to loads.")


@blueprint.route("")
@blueprint.arguments(AuditQuery, location="query")
@blueprint.response(200, AuditDocumentSchema(many=True), headers=PAGE_HEADERS | AUDIT_HEADERS)
@blueprint.problems("audit_unavailable")
def list_audit_documents(query):
    """List audit documents, newest first, as the worker wrote them."""
    page, is_complete = service.find_documents(**query)
    headers = page_headers(page) | {"X-Audit-Index": "current" if is_complete else "stale"}
    return Response(json.dumps(page.items), headers=headers, mimetype="application/json")
