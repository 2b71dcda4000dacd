"""Routes of `/auth`."""

from flask import request
from flask_jwt_extended import get_current_user, get_jwt, jwt_required
from marshmallow import fields

from billor.api.blueprint import Blueprint
from billor.api.fields import Password, Text, WireSchema, about
from billor.auth import resets, service, sessions
from billor.database.text import MAX_EMAIL_LENGTH
from billor.observe.context import signed_in_user
from billor.users.schemas import NewPassword
from billor.users.service import end_all_sessions

blueprint = Blueprint("auth", __name__, url_prefix="/auth", description="Logging in and out.")

NO_STORE = {"Cache-Control": "no-store"}  # RFC 6749, section 5.1


class LoginSchema(WireSchema):
    # Not validated as for a new user: an invalid address is simply unknown.
    email = Text(
        max_length=MAX_EMAIL_LENGTH, required=True, metadata={"example": "demo@billor.example"}
    )
    password = Password(required=True, metadata={"example": "demo-password"})


class ResetRequestSchema(LoginSchema):
    class Meta:
        fields = ("email",)


class ResetSchema(WireSchema):
    token = Text(max_length=512, required=True, **about("Of the mail's link."))
    password = NewPassword(required=True)


class RefreshSchema(WireSchema):
    refresh_token = Text(
        max_length=4096,
        required=True,
        **about("The latest one: each can be used once.", example="eyJhbG…"),
    )


class TokenSchema(WireSchema):
    # Named as in OAuth 2.0 (RFC 6749, section 5.1), so not in camelCase.
    access_token = fields.String(data_key="access_token", required=True)
    token_type = fields.String(data_key="token_type", required=True, metadata={"example": "Bearer"})
    expires_in = fields.Integer(
        data_key="expires_in", required=True, **about("Seconds.", example=3600)
    )
    refresh_token = fields.String(required=True, **about("For a single `POST /auth/refresh`."))
    refresh_expires_in = fields.Integer(
        required=True,
        **about("Seconds until the session ends, even if it is refreshed.", example=43_200),
    )


@blueprint.route("/login", methods=["POST"])
@blueprint.arguments(LoginSchema)
@blueprint.response(200, TokenSchema)
@blueprint.problems("invalid_credentials", "too_many_attempts")
def login(credentials):
    """Log in and get a token for the other operations."""
    return service.log_in(**credentials, address=request.remote_addr or ""), NO_STORE


@blueprint.route("/refresh", methods=["POST"])
@blueprint.arguments(RefreshSchema)
@blueprint.response(200, TokenSchema)
@blueprint.problems("token_expired", "token_invalid")
@jwt_required(refresh=True, locations="json")
def refresh(_body):
    """Get new tokens for a refresh token, without the password.

    Each refresh token can be used once. A retry within ten seconds gets an equivalent response.
    Later reuse ends the session: the token may have been stolen.
    """
    return sessions.refresh_session(get_current_user(), get_jwt().get("gen")), NO_STORE


@blueprint.route("/password-reset", methods=["POST"])
@blueprint.arguments(ResetRequestSchema)
@blueprint.response(204)
@blueprint.problems("too_many_attempts")
def request_password_reset(body):
    """Have a link mailed that sets a new password within 30 minutes.

    The response is the same if no active user has this address.
    """
    resets.request_reset(**body, address=request.remote_addr or "")


@blueprint.route("/password-reset/confirm", methods=["POST"])
@blueprint.arguments(ResetSchema)
@blueprint.response(204)
@blueprint.problems("reset_token_invalid")
def reset_password(body):
    """Set a password with the token of a mail, once. This ends all sessions of the user."""
    resets.set_password(**body)


@blueprint.route("/logout", methods=["POST"])
@blueprint.response(204)
def logout():
    """End this session: its access tokens and its refresh token.

    A token from `flask token` has no session, and ends all sessions of its user.
    """
    sessions.end_session(signed_in_user())


@blueprint.route("/logout-all", methods=["POST"])
@blueprint.response(204)
def logout_all():
    """End all your sessions and tokens, on all devices."""
    end_all_sessions(signed_in_user().id)
