"""Default deny: every endpoint requires a token of a role that `access` allows there."""

import math
import time

from flask import Flask, current_app, g, request

from billor.auth.access import PUBLIC_ENDPOINTS
from billor.auth.grants import Grant
from billor.auth.sessions import find_current_user
from billor.auth.tokens import verify
from billor.context import CurrentUser, current_user
from billor.deadlines import extend_deadline
from billor.errors import AuthenticationFailed

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
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise AuthenticationFailed("token_missing")
    user_id, claims = verify(token, "access")
    session_id, epoch = claims.get("sid"), claims.get("epoch", 0)
    g.grant = Grant(user_id, session_id, epoch, float(claims["exp"]), request.endpoint or "")
    user = _find_user(user_id, session_id)
    if refusal := g.grant.refusal(user):
        raise refusal
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
