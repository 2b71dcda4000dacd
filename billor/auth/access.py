"""Access control: the roles that each endpoint allows, for the guard and the OpenAPI document.

An endpoint that is not listed here is forbidden to everybody.
"""

from collections.abc import Mapping

from billor.models import Role

PUBLIC_ENDPOINTS = frozenset(
    {
        "auth.login",
        "auth.refresh",
        "auth.request_password_reset",
        "auth.reset_password",
        "health.healthz",
        "health.readyz",
        "docs.openapi",
        "docs.page",
        "docs.problems",
        "board.root",
        "board.page",
        "board.asset",
        "board.service_worker",
    }
)
METRICS_ENDPOINT = "health.get_metrics"
"""Also open to a bearer of METRICS_TOKEN: Prometheus is not a user."""
PERSONAL = ("auth.", "me.", "mine.", "users.", "api_keys.", "changes.stream_my_changes")
"""How the endpoints begin that are for people only, not for programs with API keys."""
ADMINS = frozenset({Role.ADMIN})
STAFF = frozenset({Role.ADMIN, Role.DISPATCHER})
DRIVERS = frozenset({Role.DRIVER})
ALL_ROLES = frozenset(Role)

ROLES_ALLOWED: Mapping[str, frozenset[Role]] = {
    "auth": ALL_ROLES,
    "me": ALL_ROLES,
    "mine": DRIVERS,
    "users": ADMINS,
    "api_keys": ADMINS,
    "drivers": STAFF,
    "loads": STAFF,
    "documents": STAFF,
    "documents.delete_document": ADMINS,
    "assignments": STAFF,
    "webhooks": ADMINS,
    "changes": STAFF,
    "changes.stream_my_changes": DRIVERS,
    "stats": STAFF,
    "audit": STAFF,
    "audit.list_account_documents": ADMINS,
    METRICS_ENDPOINT: ADMINS,
}
"""By blueprint, or by endpoint, which takes precedence."""


def roles_of(endpoint: str) -> frozenset[Role]:
    blueprint = endpoint.partition(".")[0]
    return ROLES_ALLOWED.get(endpoint, ROLES_ALLOWED.get(blueprint, frozenset()))
