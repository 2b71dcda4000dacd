"""/assignments."""

from flask import url_for

from billor.api import PAGE_HEADERS, Blueprint
from billor.assignments import service
from billor.assignments.schemas import (
    AssignmentDetailSchema,
    AssignmentQuery,
    AssignmentSchema,
    AssignmentStatusSchema,
)
from billor.pagination import page_headers

blueprint = Blueprint(
    "assignments",
    __name__,
    url_prefix="/assignments",
    description="Which driver moves which load.",
)

LOCATION_HEADER = {
    "Location": {"description": "Where the assignment is.", "schema": {"type": "string"}}
}


@blueprint.route("", methods=["POST"])
@blueprint.arguments(AssignmentSchema)
@blueprint.response(201, AssignmentSchema, headers=LOCATION_HEADER)
@blueprint.problems(404, 409)
def assign_load(ids):
    """Assign a load to a driver."""
    assignment = service.assign(**ids)
    location = url_for("assignments.get_assignment", assignment_id=assignment.id)
    return assignment, {"Location": location}


@blueprint.route("")
@blueprint.arguments(AssignmentQuery, location="query")
@blueprint.response(200, AssignmentSchema(many=True), headers=PAGE_HEADERS)
def list_assignments(query):
    """List assignments, newest first."""
    page = service.list_assignments(**query)
    return page.items, page_headers(page)


@blueprint.route("/<id:assignment_id>")
@blueprint.response(200, AssignmentDetailSchema)
@blueprint.problems(404)
def get_assignment(assignment_id):
    """Show an assignment with its driver and its load."""
    return service.get_assignment(assignment_id)


@blueprint.route("/<id:assignment_id>/status", methods=["PATCH"])
@blueprint.arguments(AssignmentStatusSchema)
@blueprint.response(200, AssignmentDetailSchema)
@blueprint.problems(404, 409)
def close_assignment(closing, assignment_id):
    """Complete or cancel an assignment."""
    return service.close_assignment(assignment_id, **closing)
