"""Default deny: every endpoint requires a bearer token, except those listed here."""

import math
import time
from functools import lru_cache
from typing import Any

from flask import Flask, current_app, request
from flask_jwt_extended import decode_token
from flask_jwt_extended.exceptions import JWTExtendedException, WrongTokenError
from jwt import ExpiredSignatureError, MissingRequiredClaimError, PyJWTError

from billor.auth.service import find_current_user
from billor.context import CurrentUser, current_user
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

# How far the clock of the process that made a token may be ahead of ours. A token's end has no such
# leeway.
CLOCK_LEEWAY_SECONDS = 10

# Each process looks up a token's user once in so many seconds: a page from Redis costs no SQL, and
# a change no transaction besides its own.
REMEMBERED_SECONDS = 1.0


def init_guard(app: Flask) -> None:
    """Install the guard before every view of the app."""
    app.before_request(_demand_token)
    app.extensions["remembered_users"] = {}


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
        if float(claims["exp"]) <= time.time():
            raise ExpiredSignatureError
        user_id = int(claims["sub"])
    except ExpiredSignatureError as error:
        raise AuthenticationFailed("token_expired") from error
    except (JWTExtendedException, PyJWTError, ValueError) as error:
        raise AuthenticationFailed("token_invalid") from error
    user = _find_user(user_id)
    if user is None:
        raise AuthenticationFailed("token_invalid")
    current_user.set(user)
    extend_deadline()


def _find_user(user_id: int) -> CurrentUser | None:
    remembered: dict[int, tuple[float, CurrentUser]] = current_app.extensions["remembered_users"]
    now = time.monotonic()
    looked_up_at, user = remembered.get(user_id, (-math.inf, None))
    if now < looked_up_at + REMEMBERED_SECONDS:
        return user
    user = find_current_user(user_id)
    if user is None:
        remembered.pop(user_id, None)
    else:
        remembered[user_id] = now, user
    return user


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
