"""Looking the audit trail up."""

from flask import current_app

from billor.audit.store import AuditFilter, AuditStore, StoreUnavailable
from billor.errors import Unavailable
from billor.pagination import Page, page_of


def audit_store() -> AuditStore:
    """This process's connection to the audit store."""
    return current_app.extensions["audit_store"]


def find_documents(
    limit: int,
    cursor: list[str] | None = None,
    load_id: int | None = None,
    driver_id: int | None = None,
    type: str | None = None,  # noqa: A002 - the query parameter's name
) -> Page:
    """Audit documents, newest first. Raises `Unavailable` while the audit store is away."""
    wanted = AuditFilter(load_id, driver_id, type)
    try:
        documents = audit_store().find(wanted, limit + 1, tuple(cursor) if cursor else None)
    except StoreUnavailable as error:
        raise Unavailable(
            "audit_unavailable", "The audit store is away. Its events are kept; try again soon."
        ) from error
    return page_of(documents, limit, lambda document: (document["timestamp"], document["_id"]))
