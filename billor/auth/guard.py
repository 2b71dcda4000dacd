"""Default deny: every endpoint requires a bearer token, except those listed here."""

import time
from functools import lru_cache
from typing import Any

from flask import Flask, current_app, request
from flask_jwt_extended import decode_token
from flask_jwt_extended.exceptions import JWTExtendedException, WrongTokenError
from jwt import ExpiredSignatureError, MissingRequiredClaimError, PyJWTError

from billor.auth.service import find_current_user
from billor.context import current_user
from billor.deadlines import extend_deadline
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

# Limit of a request body without a token.
MAX_PUBLIC_BODY_BYTES = 8 * 1024

# A page from Redis must cost no SQL. So these endpoints look up the token's user once in
# `REMEMBERED_SECONDS`, all others on each request.
CACHED_ENDPOINTS = frozenset({"loads.list_loads"})
REMEMBERED_SECONDS = 1.0


def init_guard(app: Flask) -> None:
    """Install the guard before every view of the app."""
    app.before_request(_demand_token)
    app.extensions["users_seen"] = {}


def _demand_token() -> None:
    # An unknown path or method has no rule: it is a 404 or 405, with or without a token.
    if request.url_rule is None or request.endpoint in PUBLIC_ENDPOINTS:
        request.max_content_length = MAX_PUBLIC_BODY_BYTES
        return
    # CORS preflight requests have no token.
    if request.method == "OPTIONS" and current_app.config["BILLOR"].cors_origins:
        return
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise AuthenticationFailed("token_missing")
    try:
        claims = _verified_claims(token, current_app.config["JWT_SECRET_KEY"])
        if "exp" not in claims:
            raise MissingRequiredClaimError("exp")
        if claims["exp"] <= time.time():
            raise ExpiredSignatureError
        user_id = int(claims["sub"])
    except ExpiredSignatureError as error:
        raise AuthenticationFailed("token_expired") from error
    except (JWTExtendedException, PyJWTError, ValueError) as error:
        raise AuthenticationFailed("token_invalid") from error
    if not _user_exists(user_id):
        raise AuthenticationFailed("token_invalid")
    extend_deadline()


def _user_exists(user_id: int) -> bool:
    """Return whether the user exists; set the current user, unless the answer is remembered."""
    seen: dict[int, float] = current_app.extensions["users_seen"]
    now = time.monotonic()
    if request.endpoint in CACHED_ENDPOINTS and now < seen.get(user_id, 0) + REMEMBERED_SECONDS:
        return True
    user = find_current_user(user_id)
    current_user.set(user)
    if user is None:
        seen.pop(user_id, None)
        return False
    seen[user_id] = now
    return True


@lru_cache(maxsize=10_000)
def _verified_claims(token: str, _secret_key: str) -> dict[str, Any]:
    """Return the claims of an access token that we signed.

    Verification costs more than the rest of serving a cached page, so its result is cached. The
    caller checks the expiry.
    """
    claims = decode_token(token)
    if claims.get("type") != "access":
        raise WrongTokenError("Only access tokens open the API.")
    return claims
