"""/healthz and /readyz."""

from marshmallow import fields

from billor.health.checks import DEPENDENCIES, State, check_dependencies
from billor.http.api import Blueprint
from billor.http.fields import WireSchema

blueprint = Blueprint(
    "health",
    __name__,
    description="For load balancers and supervisors.",
    needs_database=False,
)
NOT_KEPT = {"Cache-Control": "no-store"}


class HealthSchema(WireSchema):
    status = fields.String(required=True, metadata={"enum": ["ok"], "example": "ok"})


class ReadinessSchema(WireSchema):
    status = fields.String(
        required=True,
        metadata={
            "description": "ok; degraded: answering, with something away; unavailable.",
            "enum": ["ok", "degraded", "unavailable"],
            "example": "ok",
        },
    )
    dependencies = fields.Dict(
        required=True,
        keys=fields.String(),
        values=fields.Enum(State, by_value=fields.String),
        metadata={
            "description": "`away`: does not answer. `late`, of `events` alone: some wait too long "
            "to be published, or to be seen in the audit trail.",
            "example": dict.fromkeys(DEPENDENCIES, "ok"),
        },
    )


@blueprint.route("/healthz")
@blueprint.response(200, HealthSchema)
@blueprint.doc(security=[])
def healthz():
    """Tell that the process is up."""
    return {"status": "ok"}, NOT_KEPT


@blueprint.route("/readyz")
@blueprint.response(200, ReadinessSchema)
@blueprint.alt_response(503, schema=ReadinessSchema, description="PostgreSQL is away.")
@blueprint.doc(security=[])
def readyz():
    """Tell the state of each dependency. Only without PostgreSQL can nothing be answered."""
    dependencies = check_dependencies()
    if dependencies["postgresql"] is not State.OK:
        return {"status": "unavailable", "dependencies": dependencies}, 503, NOT_KEPT
    all_ok = all(state is State.OK for state in dependencies.values())
    status = "ok" if all_ok else "degraded"
    return {"status": status, "dependencies": dependencies}, NOT_KEPT
