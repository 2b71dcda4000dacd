"""Routes of `/users`."""

from billor.api.blueprint import Blueprint
from billor.api.responses import if_match
from billor.database import get_or_not_found
from billor.models import User
from billor.users import schemas, service

blueprint = Blueprint(
    "users", __name__, url_prefix="/users", description="The people who may log in."
)


@blueprint.route("", methods=["POST"])
@blueprint.arguments(schemas.UserSchema)
@blueprint.created(schemas.UserSchema, shown_by="get_user")
@blueprint.problems("email_taken", "driver_not_found")
def create_user(fields):
    """Create a user."""
    return service.create_user(**fields)


@blueprint.route("")
@blueprint.paged(schemas.ListedUserSchema, schemas.UserQuery)
def list_users(query):
    """List users, newest first."""
    return service.list_users(**query)


@blueprint.route("/<id:user_id>")
@blueprint.response(200, schemas.UserSchema)
def get_user(user_id):
    """Show a user."""
    return get_or_not_found(User, user_id)


@blueprint.route("/<id:user_id>", methods=["PATCH"])
@blueprint.arguments(schemas.UserUpdateSchema)
@blueprint.response(200, schemas.UserSchema)
@blueprint.problems("driver_not_found", "last_admin")
def update_user(changes, user_id):
    """Change a user's name, language, role or password, or whether they may log in.

    All but a new name or language ends all their sessions.
    """
    return service.update_user(user_id, if_match(schemas.UserSchema()), **changes)


@blueprint.route("/<id:user_id>", methods=["DELETE"])
@blueprint.response(204)
@blueprint.problems("last_admin")
def deactivate_user(user_id):
    """Deactivate a user, and end all their sessions. Their name stays on what they did."""
    service.update_user(user_id, if_match(schemas.UserSchema()), is_active=False)
