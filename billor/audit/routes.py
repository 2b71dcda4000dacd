"""Routes of `/audit`."""

from typing import Any

from flask import Response, json

from billor.api.blueprint import PAGE_HEADERS, Blueprint
from billor.api.pagination import page_headers
from billor.audit import schemas
from billor.audit.store import AuditFilter, Position, StoreUnavailable, audit_store
from billor.database.keyset import page_of
from billor.errors import Unavailable

HEADERS = PAGE_HEADERS | {"X-Audit-Index": "X-Audit-Index"}

blueprint = Blueprint(
    "audit",
    __name__,
    url_prefix="/audit",
    description="What happened to loads, drivers or accounts.",
)


@blueprint.route("")
@blueprint.arguments(schemas.AuditQuery, location="query")
@blueprint.response(200, schemas.AuditDocumentSchema(many=True), headers=HEADERS)
@blueprint.problems("audit_unavailable")
def list_audit_documents(query):
    """List what happened to loads and drivers, newest first, as the worker recorded it."""
    return _list_documents(of_accounts=False, **query)


@blueprint.route("/accounts")
@blueprint.arguments(schemas.AccountQuery, location="query")
@blueprint.response(200, schemas.AccountDocumentSchema(many=True), headers=HEADERS)
@blueprint.problems("audit_unavailable")
def list_account_documents(query):
    """List what happened to users' accounts, newest first, as the worker recorded it."""
    return _list_documents(of_accounts=True, **query)


def _list_documents(limit: int, cursor: Position | None = None, **filters: Any) -> Response:
    try:
        found = audit_store().find(AuditFilter(**filters), limit + 1, cursor)
    except StoreUnavailable as error:
        raise Unavailable("audit_unavailable") from error
    page = page_of(found.documents, limit, lambda each: (each["timestamp"], each["_id"]))
    headers = page_headers(page) | {"X-Audit-Index": "current" if found.is_complete else "stale"}
    return Response(json.dumps(page.items), headers=headers, mimetype="application/json")
