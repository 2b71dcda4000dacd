"""Routes of `/me`: each acts on the token's user alone, and takes no id."""

from flask import request

from billor.assignments import service as assignments
from billor.auth import service as auth
from billor.context import signed_in_user
from billor.http.api import Blueprint
from billor.http.conditional import if_match
from billor.http.openapi import PAGE_HEADERS
from billor.http.pagination import page_headers
from billor.me.schemas import (
    CompletionSchema,
    MyAssignmentSchema,
    MyAssignmentsQuery,
    MyNameSchema,
    PasswordChangeSchema,
)
from billor.users import service as users
from billor.users.schemas import UserSchema

blueprint = Blueprint("me", __name__, url_prefix="/me", description="Your account and your load.")


@blueprint.route("")
@blueprint.response(200, UserSchema)
def get_me():
    """Show your account."""
    return users.get_user(signed_in_user().id)


@blueprint.route("", methods=["PATCH"])
@blueprint.arguments(MyNameSchema)
@blueprint.idempotent
@blueprint.response(200, UserSchema)
def update_me(changes):
    """Change your name."""
    return users.update_user(signed_in_user().id, if_match(UserSchema()), **changes)


@blueprint.route("/password", methods=["POST"])
@blueprint.arguments(PasswordChangeSchema)
@blueprint.response(204)
@blueprint.problems("invalid_credentials", "too_many_attempts")
def change_password(passwords):
    """Change your password. You are logged out everywhere, here too.

    A wrong old password counts as a failed login.
    """
    auth.change_password(signed_in_user(), **passwords, address=request.remote_addr or "")


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
    assert driver_id is not None, "only drivers get here, and each is one"  # noqa: S101
    return driver_id
