"""Default-deny: every address demands a bearer token, except the few listed here."""

import time
from functools import lru_cache
from typing import Any

from flask import Flask, current_app, request
from flask_jwt_extended import decode_token
from flask_jwt_extended.exceptions import JWTExtendedException, WrongTokenError
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
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise AuthenticationFailed(
            "token_missing", "Log in with POST /auth/login and send `Authorization: Bearer …`."
        )
    try:
        claims = _verified_claims(token, current_app.config["JWT_SECRET_KEY"])
        if claims["exp"] <= time.time():
            raise ExpiredSignatureError
    except ExpiredSignatureError as error:
        raise AuthenticationFailed(
            "token_expired", "The token has expired. Log in again with POST /auth/login."
        ) from error
    except (JWTExtendedException, PyJWTError) as error:
        raise AuthenticationFailed(
            "token_invalid", "The token is not valid. Log in again with POST /auth/login."
        ) from error


@lru_cache(maxsize=10_000)
def _verified_claims(token: str, _secret_key: str) -> dict[str, Any]:
    """The claims of an access token that we signed. Verifying one costs more than all else that
    a cached page needs, so its outcome is remembered; only the clock is asked each time."""
    claims = decode_token(token)
    if claims.get("type") != "access":
        raise WrongTokenError("Only access tokens open the API.")
    return claims
