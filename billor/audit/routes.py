"""Routes of `/audit`."""

from typing import Any

from flask import Response, json

from billor.audit import service
from billor.audit.schemas import (
    AccountDocumentSchema,
    AccountQuery,
    AuditDocumentSchema,
    AuditQuery,
)
from billor.audit.store import AccountFilter, AuditFilter
from billor.http.api import Blueprint
from billor.http.openapi import AUDIT_HEADERS, PAGE_HEADERS
from billor.http.pagination import page_headers

blueprint = Blueprint(
    "audit",
    __name__,
    url_prefix="/audit",
    description="What happened to loads, drivers and accounts.",
)


@blueprint.route("")
@blueprint.arguments(AuditQuery, location="query")
@blueprint.response(200, AuditDocumentSchema(many=True), headers=PAGE_HEADERS | AUDIT_HEADERS)
@blueprint.problems("audit_unavailable")
def list_audit_documents(query):
    """List what happened to loads and drivers, newest first, as the worker recorded it."""
    return _list_documents(AuditFilter, query)


@blueprint.route("/accounts")
@blueprint.arguments(AccountQuery, location="query")
@blueprint.response(200, AccountDocumentSchema(many=True), headers=PAGE_HEADERS | AUDIT_HEADERS)
@blueprint.problems("audit_unavailable")
def list_account_documents(query):
    """List what happened to users' accounts, newest first, as the worker recorded it."""
    return _list_documents(AccountFilter, query)


def _list_documents(kind: type[AuditFilter | AccountFilter], query: dict[str, Any]) -> Response:
    page, is_complete = service.find_documents(kind, **query)
    headers = page_headers(page) | {"X-Audit-Index": "current" if is_complete else "stale"}
    return Response(json.dumps(page.items), headers=headers, mimetype="application/json")
