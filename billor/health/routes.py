"""/healthz, /readyz and /metrics."""

from flask import Response, current_app
from marshmallow import fields

from billor.api.blueprint import Blueprint
from billor.api.fields import WireSchema, about
from billor.health import checks
from billor.observe import metrics

blueprint = Blueprint("health", __name__, description="For load balancers and supervisors.")
NO_STORE = {"Cache-Control": "no-store"}


class HealthSchema(WireSchema):
    status = fields.String(required=True, metadata={"enum": ["ok"], "example": "ok"})


class WaitingSchema(WireSchema):
    count = fields.Integer(required=True, metadata={"maximum": checks.MAX_COUNTED, "example": 0})
    oldest_seconds = fields.Float(
        required=True, allow_none=True, **about("Age of the oldest one.", example=None)
    )


class LagSchema(WireSchema):
    unpublished = fields.Nested(WaitingSchema, required=True)
    unrecorded = fields.Nested(WaitingSchema, required=True)


class ReadinessSchema(WireSchema):
    status = fields.String(
        required=True,
        **about(
            "ok; degraded: it works, but a dependency is away or late; unavailable.",
            enum=["ok", "degraded", "unavailable"],
            example="ok",
        ),
    )
    dependencies = fields.Dict(
        required=True,
        keys=fields.String(),
        values=fields.Enum(checks.State, by_value=fields.String),
        **about(
            "`away`: it does not answer. `late`, only for `events`: the oldest "
            f"unpublished one is older than {checks.OUTBOX_LATE_SECONDS} seconds, or the oldest "
            f"unrecorded one than {checks.UNRECORDED_LATE_SECONDS}.",
            example=dict.fromkeys(["postgresql", "redis", "events", "audit", "documents"], "ok"),
        ),
    )
    lag = fields.Nested(
        LagSchema,
        required=True,
        allow_none=True,
        **about("Events on their way to the audit trail, if PostgreSQL answers."),
    )


@blueprint.route("/healthz")
@blueprint.response(200, HealthSchema)
def healthz():
    """Check that the process is up."""
    return {"status": "ok"}, NO_STORE


@blueprint.route("/readyz")
@blueprint.response(200, ReadinessSchema)
@blueprint.alt_response(503, schema=ReadinessSchema, description="PostgreSQL is away.")
def readyz():
    """Get the state of each dependency, and how far the audit trail is behind.

    Without PostgreSQL the status is 503: no other request can be answered.
    """
    found = checks.check_dependencies()
    states = found["dependencies"]
    if states["postgresql"] is not checks.State.OK:
        return {"status": "unavailable", **found}, 503, NO_STORE
    all_ok = all(state is checks.State.OK for state in states.values())
    return {"status": "ok" if all_ok else "degraded", **found}, NO_STORE


@blueprint.route("/metrics")
@blueprint.response(200, {"type": "string"}, content_type="text/plain")
def get_metrics():
    """Get the metrics of the API, for Prometheus.

    With the setting METRICS_TOKEN as bearer token, no user is needed.
    """
    found = checks.check_dependencies()
    lag = found["lag"] or {}
    up = {name: state is checks.State.OK for name, state in found["dependencies"].items()}
    counts = {state: waiting["count"] for state, waiting in lag.items()}
    ages = {state: waiting["oldest_seconds"] or 0 for state, waiting in lag.items()}
    exported = metrics.export(
        current_app.config["API_VERSION"],
        ("billor_dependency_up", "Whether it answers.", "dependency", up),
        ("billor_outbox_events", "Waiting events.", "state", counts),
        ("billor_outbox_oldest_seconds", "Age of the oldest.", "state", ages),
    )
    return Response(exported, headers=NO_STORE, content_type=metrics.CONTENT_TYPE)
