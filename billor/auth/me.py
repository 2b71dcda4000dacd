"""Routes of `/me`: the account of the current user."""

from flask import request

from billor.api.blueprint import Blueprint
from billor.api.fields import Password, WireSchema
from billor.api.responses import if_match
from billor.auth import service as auth
from billor.database import get_or_not_found
from billor.models import User
from billor.observe.context import signed_in_user
from billor.users import service as users
from billor.users.schemas import NewPassword, UserSchema, UserUpdateSchema

blueprint = Blueprint("me", __name__, url_prefix="/me", description="Your account.")


class MyAccountSchema(UserUpdateSchema):
    class Meta:
        fields = ("name", "language")


class PasswordChangeSchema(WireSchema):
    old_password = Password(required=True)
    new_password = NewPassword(required=True)


@blueprint.route("")
@blueprint.response(200, UserSchema)
def get_me():
    """Show your account."""
    return get_or_not_found(User, signed_in_user().id)


@blueprint.route("", methods=["PATCH"])
@blueprint.arguments(MyAccountSchema)
@blueprint.response(200, UserSchema)
def update_me(changes):
    """Change your name, or the language of your mails."""
    return users.update_user(signed_in_user().id, if_match(UserSchema()), **changes)


@blueprint.route("/password", methods=["POST"])
@blueprint.arguments(PasswordChangeSchema)
@blueprint.response(204)
@blueprint.problems("invalid_credentials", "too_many_attempts")
def change_password(passwords):
    """Change your password. This ends all your sessions, also the current one.

    A wrong old password counts as a failed login.
    """
    auth.change_password(signed_in_user(), **passwords, address=request.remote_addr or "")
