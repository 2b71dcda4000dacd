"""Default-deny: every address demands a bearer token, except the few listed here."""

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

# What anybody may send without a token.
MAX_PUBLIC_BODY_BYTES = 8 * 1024

# A page of these that is in Redis must cost no SQL. So whether the token's user is still there is
# asked before it once in so many seconds, and not each time as everywhere else.
CACHED_ENDPOINTS = frozenset({"loads.list_loads"})
REMEMBERED_SECONDS = 1.0


def init_guard(app: Flask) -> None:
    """Put the guard in front of every view of the app."""
    app.before_request(_demand_token)
    app.extensions["users_seen"] = {}


def _demand_token() -> None:
    # An unknown address or method has no rule: it is a 404 or 405 for everybody.
    if request.url_rule is None or request.endpoint in PUBLIC_ENDPOINTS:
        request.max_content_length = MAX_PUBLIC_BODY_BYTES
        return
    # Browsers ask without a token whether they may send one.
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
    if not _knows(user_id):
        raise AuthenticationFailed("token_invalid")
    extend_deadline()


def _knows(user_id: int) -> bool:
    """Return whether the user is still there; they become the current user then."""
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

    Verifying one costs more than all else that a cached page needs, so its outcome is
    remembered; only the clock is asked each time.
    """
    claims = decode_token(token)
    if claims.get("type") != "access":
        raise WrongTokenError("Only access tokens open the API.")
    return claims
