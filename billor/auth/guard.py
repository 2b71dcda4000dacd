"""Default deny: every endpoint requires a token of a role that `access` allows there."""

import math
import time

from flask import Flask, current_app, request

from billor.auth.access import PUBLIC_ENDPOINTS, ROLES_ALLOWED
from billor.auth.sessions import find_current_user
from billor.auth.tokens import verify
from billor.context import CurrentUser, current_user
from billor.deadlines import extend_deadline
from billor.errors import AuthenticationFailed, Forbidden
from billor.http.page_cache import REFUSAL

# Limit of a request body without a token.
MAX_PUBLIC_BODY_BYTES = 8 * 1024

# Each process looks up a token's user and session once in so many seconds: a page from Redis costs
# no SQL, and a change no transaction besides its own.
REMEMBERED_SECONDS = 1.0
MAX_REMEMBERED = 10_000


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
    if refusal := request.environ.get(REFUSAL):
        raise refusal
    authorise(request.endpoint or "", request.headers.get("Authorization", ""))


def authorise(endpoint: str, authorization: str) -> None:
    """Make whom an `Authorization` header names the current user, if they may use the endpoint.

    Raises `AuthenticationFailed` if nobody is named, and `Forbidden` if they lack the role.
    """
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise AuthenticationFailed("token_missing")
    user_id, claims = verify(token, "access")
    user = _find_user(user_id, claims.get("sid"))
    if user is None or user.epoch != claims.get("epoch", 0):
        raise AuthenticationFailed("token_invalid")
    if user.role not in ROLES_ALLOWED.get(endpoint, ()):
        raise Forbidden("role_missing")
    current_user.set(user)
    extend_deadline()


def _find_user(user_id: int, session_id: int | None) -> CurrentUser | None:
    remembered: dict[tuple[int, int | None], tuple[float, CurrentUser]]
    remembered = current_app.extensions["remembered_users"]
    now = time.monotonic()
    key = (user_id, session_id)
    looked_up_at, user = remembered.get(key, (-math.inf, None))
    if now < looked_up_at + REMEMBERED_SECONDS:
        return user
    user = find_current_user(user_id, session_id)
    if len(remembered) >= MAX_REMEMBERED:
        remembered.clear()
    if user is None:
        remembered.pop(key, None)
    else:
        remembered[key] = now, user
    return user
