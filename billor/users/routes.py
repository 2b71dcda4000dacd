"""Routes of `/users`."""

from billor.http.api import Blueprint
from billor.http.openapi import PAGE_HEADERS
from billor.http.pagination import page_headers
from billor.users import service
from billor.users.schemas import UserQuery, UserSchema

blueprint = Blueprint(
    "users", __name__, url_prefix="/users", description="The people who may log in."
)


@blueprint.route("", methods=["POST"])
@blueprint.arguments(UserSchema)
@blueprint.idempotent
@blueprint.created(UserSchema, shown_by="get_user")
@blueprint.problems("email_taken")
def create_user(fields):
    """Create a user."""
    return service.create_user(**fields)


@blueprint.route("")
@blueprint.arguments(UserQuery, location="query")
@blueprint.response(200, UserSchema(many=True), headers=PAGE_HEADERS)
def list_users(query):
    """List users, newest first."""
    page = service.list_users(**query)
    return page.items, page_headers(page)


@blueprint.route("/<id:user_id>")
@blueprint.response(200, UserSchema)
@blueprint.problems("user_not_found")
def get_user(user_id):
    """Show a user."""
    return service.get_user(user_id)
