"""Routes of `/me/assignment`: the load of the current user, who is a driver."""

from marshmallow import fields, validate

from billor.api.blueprint import Blueprint
from billor.api.fields import Id, Several, Timestamp, WireSchema
from billor.api.openapi import PAGE_HEADERS
from billor.api.pagination import Cursor, PageQuery, page_headers
from billor.api.responses import if_match
from billor.assignments import service as assignments
from billor.assignments.schemas import AssignmentWithLoadSchema
from billor.models import AssignmentStatus
from billor.observe.context import signed_in_user

blueprint = Blueprint("mine", __name__, url_prefix="/me", description="A driver's own load.")


class MyAssignmentSchema(AssignmentWithLoadSchema):
    """One of your own assignments, with its load."""


class MyAssignmentsQuery(PageQuery):
    cursor = Cursor(Timestamp(), Id())
    status = Several(fields.Enum(AssignmentStatus))


class CompletionSchema(WireSchema):
    status = fields.String(
        required=True, validate=validate.OneOf([AssignmentStatus.COMPLETED.value])
    )


@blueprint.route("/assignment")
@blueprint.response(200, MyAssignmentSchema)
@blueprint.problems("no_active_assignment")
def get_my_assignment():
    """Show your active assignment with its load."""
    return assignments.active_assignment(_my_driver_id())


@blueprint.route("/assignments")
@blueprint.arguments(MyAssignmentsQuery, location="query")
@blueprint.response(200, MyAssignmentSchema(many=True), headers=PAGE_HEADERS)
def list_my_assignments(query):
    """List your assignments with their loads, newest first."""
    page = assignments.list_assignments(**query, driver_id=_my_driver_id(), expand=["load"])
    return page.items, page_headers(page)


@blueprint.route("/assignment/status", methods=["PATCH"])
@blueprint.arguments(CompletionSchema)
@blueprint.idempotent
@blueprint.response(200, MyAssignmentSchema)
@blueprint.problems("no_active_assignment", "assignment_not_active")
def complete_my_assignment(_completion):
    """Complete your active assignment.

    Send an `Idempotency-Key`: without one, a retry may complete the next assignment.
    """
    check = if_match(MyAssignmentSchema())
    return assignments.complete_active_assignment(_my_driver_id(), check=check)


def _my_driver_id() -> int:
    driver_id = signed_in_user().driver_id
    assert driver_id is not None, "the guard admits only drivers"  # noqa: S101
    return driver_id
