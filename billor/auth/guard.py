"""Default-deny: every address demands a bearer token, except the few listed here."""

from flask import Flask, request
from flask_jwt_extended import verify_jwt_in_request
from flask_jwt_extended.exceptions import JWTExtendedException, NoAuthorizationError
from jwt import ExpiredSignatureError, PyJWTError

from billor.errors import AuthenticationFailed

PUBLIC_ENDPOINTS = frozenset(
    {
        "auth.login",
        "health.healthz",
        "health.readyz",
        "docs.page",
        "docs.asset",
        "api-docs.openapi_json",
    }
)


def init_guard(app: Flask) -> None:
    """Put the guard in front of every view of the app."""
    app.before_request(_demand_token)


def _demand_token() -> None:
    # An unknown address or method has no rule: it is a 404 or 405 for everybody.
    if request.url_rule is None or request.endpoint in PUBLIC_ENDPOINTS:
        return
    try:
        verify_jwt_in_request()
    except NoAuthorizationError as error:
        raise AuthenticationFailed(
            "token_missing", "Log in with POST /auth/login and send `Authorization: Bearer …`."
        ) from error
    except ExpiredSignatureError as error:
        raise AuthenticationFailed(
            "token_expired", "The token has expired. Log in again with POST /auth/login."
        ) from error
    except (JWTExtendedException, PyJWTError) as error:
        raise AuthenticationFailed(
            "token_invalid", "The token is not valid. Log in again with POST /auth/login."
        ) from error
