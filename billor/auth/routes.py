"""Routes of `/auth`."""

from flask import current_app, request

from billor.auth import service
from billor.auth.schemas import LoginSchema, TokenSchema
from billor.http.api import Blueprint

blueprint = Blueprint("auth", __name__, url_prefix="/auth", description="Logging in.")


@blueprint.route("/login", methods=["POST"])
@blueprint.arguments(LoginSchema)
@blueprint.response(200, TokenSchema)
@blueprint.problems("invalid_credentials", "too_many_attempts")
@blueprint.doc(security=[])
def login(credentials):
    """Log in and get a token for the other operations."""
    token = service.log_in(**credentials, address=request.remote_addr or "")
    answer = {
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": current_app.config["BILLOR"].access_token_seconds,
    }
    return answer, {"Cache-Control": "no-store"}  # RFC 6749, section 5.1
