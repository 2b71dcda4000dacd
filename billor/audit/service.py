"""Queries of the audit trail."""

from typing import Any

from flask import current_app

from billor.audit.store import AccountFilter, AuditFilter, AuditStore, Position, StoreUnavailable
from billor.errors import Unavailable
from billor.keyset import Page, page_of


def audit_store() -> AuditStore:
    """Return this process's connection to the audit store."""
    return current_app.extensions["audit_store"]


def find_documents(
    kind: type[AuditFilter | AccountFilter],
    limit: int,
    cursor: Position | None = None,
    **filters: Any,
) -> tuple[Page, bool]:
    """Return a page of audit documents, newest first, and whether the search was complete.

    If not, new documents may be missing. `filters` are the fields of the `kind` of filter, which
    decides what the documents are about.

    Raises `Unavailable` while the audit store is unavailable.
    """
    wanted = kind(**filters)
    try:
        found = audit_store().find(wanted, limit + 1, cursor)
    except StoreUnavailable as error:
        raise Unavailable("audit_unavailable") from error
    page = page_of(
        found.documents, limit, lambda document: (document["timestamp"], document["_id"])
    )
    return page, found.is_complete
