"""Routes of `/assignments`."""

from functools import partial

from billor.api.blueprint import FILE_HEADERS, Blueprint
from billor.api.pagination import LimitQuery
from billor.api.responses import csv_file, if_match
from billor.assignments import candidates, check_ins, exporting, schemas, service

blueprint = Blueprint("assignments", __name__, description="Which driver moves which load.")
if_unchanged = partial(if_match, schemas.AssignmentDetailSchema())


@blueprint.route("/assignments", methods=["POST"])
@blueprint.arguments(schemas.NewAssignmentSchema)
@blueprint.created(schemas.AssignmentSchema, shown_by="get_assignment")
@blueprint.problems(*schemas.CODES)
def assign_load(wanted):
    """Assign a load to a driver, or plan it as the driver's next one.

    The load must be OPEN, and the driver ACTIVE, without an active load and without expired papers.
    With `plan`, the load of a driver who has one is PLANNED, and stays OPEN. It is assigned as soon
    as the active one is completed or cancelled.
    """
    return service.assign(**wanted)


@blueprint.route("/assignments/bulk", methods=["POST"])
@blueprint.arguments(schemas.BulkSchema)
@blueprint.response(200, schemas.BulkReportSchema)
def assign_many_loads(wanted):
    """Assign up to 500 loads, each to a driver.

    Valid rows are assigned in order, in one transaction; each other row is refused with the code
    of a single request. Of two rows with the same driver or load, the second is refused.
    """
    return service.assign_many(**wanted)


@blueprint.route("/assignments")
@blueprint.paged(schemas.ListedAssignmentSchema, schemas.AssignmentQuery)
def list_assignments(query):
    """List assignments, newest first; or by their end, the last one first, if you limit that."""
    return service.list_assignments(**query)


@blueprint.route("/assignments.csv")
@blueprint.arguments(schemas.AssignmentExportQuery, location="query")
@blueprint.response(200, {"type": "string"}, content_type="text/csv", headers=FILE_HEADERS)
@blueprint.problems("exports_busy")
def export_assignments(wanted):
    """Get all assignments that match, in the list's order, as CSV: what drivers are paid by.

    The response is streamed: if the connection fails, it is incomplete.
    """
    return csv_file(exporting.export_assignments(**wanted), "assignments.csv")


@blueprint.route("/assignments/<id:assignment_id>")
@blueprint.response(200, schemas.AssignmentDetailSchema)
def get_assignment(assignment_id):
    """Show an assignment with its driver and its load."""
    return service.get_assignment(assignment_id)


@blueprint.route("/assignments/<id:assignment_id>/status", methods=["PATCH"])
@blueprint.arguments(schemas.StatusSchema)
@blueprint.response(200, schemas.AssignmentDetailSchema)
@blueprint.problems("assignment_not_active", *schemas.CODES[2:])
def change_assignment_status(wanted, assignment_id):
    """Complete or cancel an assignment, or activate a PLANNED one.

    A load that is completed or cancelled becomes COMPLETED, or OPEN again. Then the driver's
    PLANNED one is activated: see `next`. An assignment that has the status already is returned
    unchanged.
    """
    return service.change_status(assignment_id, check=if_unchanged(), **wanted)


@blueprint.route("/assignments/<id:assignment_id>/reassign", methods=["POST"])
@blueprint.arguments(schemas.ReassignmentSchema)
@blueprint.takes_if_match
@blueprint.created(schemas.AssignmentDetailSchema, shown_by="get_assignment")
@blueprint.problems("assignment_not_active", *schemas.OF_DRIVER)
def reassign_load(wanted, assignment_id):
    """Give an assignment's load to another driver, or plan it as the next one of that driver.

    The assignment becomes CANCELLED and a new one is created, both or neither.
    """
    return service.reassign(assignment_id, check=if_unchanged(), **wanted)


@blueprint.route("/assignments/<id:assignment_id>/reopen", methods=["POST"])
@blueprint.arguments(schemas.ReopeningSchema)
@blueprint.takes_if_match
@blueprint.response(200, schemas.AssignmentDetailSchema)
@blueprint.problems("too_late_to_reopen", *schemas.CODES[2:])
def reopen_assignment(reopening, assignment_id):
    """Make an assignment active again that was closed by mistake, less than a day ago.

    Its driver and its load must still be free. The next one, which its end activated, is PLANNED
    again, unless it has a check-in. One that is active is returned unchanged.
    """
    return service.reopen(assignment_id, check=if_unchanged(), **reopening)


@blueprint.route("/assignments/<id:assignment_id>/check-ins", methods=["POST"])
@blueprint.arguments(schemas.CheckInSchema)
@blueprint.takes_if_match
@blueprint.response(201, schemas.CheckInSchema)
@blueprint.problems("assignment_not_active")
def add_check_in(fields, assignment_id):
    """Say how far the load is or, with `reason` and `expectedAt`, what delays its delivery."""
    return check_ins.add_check_in(assignment_id, if_unchanged(), **fields)


@blueprint.route("/assignments/<id:assignment_id>/check-ins")
@blueprint.paged(schemas.CheckInSchema, schemas.TimeOrderQuery)
def list_check_ins(query, assignment_id):
    """List an assignment's check-ins in the order in which they happened."""
    return check_ins.list_check_ins(assignment_id, **query)


@blueprint.route("/assignments/<id:assignment_id>/check-ins/<id:check_in_id>", methods=["DELETE"])
@blueprint.response(204)
@blueprint.problems("too_late_to_undo")
def undo_check_in(assignment_id, check_in_id):
    """Undo your own check-in, within five minutes. `If-Match` has the ETag of the assignment."""
    check_ins.undo_check_in(check_in_id, if_unchanged(), id=assignment_id)


@blueprint.route("/loads/<id:load_id>/candidates")
@blueprint.arguments(LimitQuery, location="query")
@blueprint.response(200, schemas.CandidateSchema(many=True))
def list_candidates(query, load_id):
    """List the ACTIVE drivers, and what speaks for and against each; who could best take it first.

    `freeAt` is the active load's `expectedAt`, else its `deliverBy`; `lastPlace` is where it ends,
    or the last completed one did; `sameState` compares what follows the last comma.
    `loadsThisWeek` were completed since Monday. `refusal` is the code of an assignment now.
    """
    return candidates.list_candidates(load_id, **query)
