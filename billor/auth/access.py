"""Who may do what: the one table of operations and roles.

The guard refuses an endpoint that is not in it, whoever asks. The OpenAPI document derives from it
where a role may be missing.
"""

from collections.abc import Mapping

from billor.roles import Role

PUBLIC_ENDPOINTS = frozenset(
    {
        "auth.login",
        "auth.refresh",
        "health.healthz",
        "health.readyz",
        "docs.page",
        "docs.asset",
        "board.root",
        "board.page",
        "board.asset",
        "api-docs.openapi_json",
    }
)
METRICS_ENDPOINT = "health.get_metrics"
"""The setting METRICS_TOKEN opens it, too: Prometheus is no user."""
ADMINS = frozenset({Role.ADMIN})
STAFF = frozenset({Role.ADMIN, Role.DISPATCHER})
DRIVERS = frozenset({Role.DRIVER})
ALL_ROLES = frozenset(Role)

ROLES_ALLOWED: Mapping[str, frozenset[Role]] = {
    "auth.logout": ALL_ROLES,
    "auth.logout_all": ALL_ROLES,
    "me.get_me": ALL_ROLES,
    "me.update_me": ALL_ROLES,
    "me.change_password": ALL_ROLES,
    "me.get_my_assignment": DRIVERS,
    "me.list_my_assignments": DRIVERS,
    "me.complete_my_assignment": DRIVERS,
    "users.create_user": ADMINS,
    "users.list_users": ADMINS,
    "users.get_user": ADMINS,
    "users.update_user": ADMINS,
    "users.deactivate_user": ADMINS,
    "drivers.create_driver": STAFF,
    "drivers.list_drivers": STAFF,
    "drivers.get_driver": STAFF,
    "drivers.update_driver": STAFF,
    "loads.create_load": STAFF,
    "loads.list_loads": STAFF,
    "loads.export_loads": STAFF,
    "loads.import_loads": STAFF,
    "loads.get_load": STAFF,
    "loads.update_load": STAFF,
    "loads.get_load_timeline": STAFF,
    "assignments.assign_load": STAFF,
    "assignments.list_assignments": STAFF,
    "assignments.get_assignment": STAFF,
    "assignments.close_assignment": STAFF,
    "assignments.assign_many_loads": STAFF,
    "assignments.reassign_load": STAFF,
    "changes.stream_changes": STAFF,
    "stats.get_stats": STAFF,
    "audit.list_audit_documents": STAFF,
    "audit.list_account_documents": ADMINS,
    METRICS_ENDPOINT: ADMINS,
}
"""By endpoint, which is a blueprint's name and a view's."""
