"""Default deny: every endpoint requires a token of a role that `access` allows there."""

import math
import time
from threading import Semaphore
from typing import NamedTuple

from flask import Flask, current_app, g, request

from billor.auth.access import METRICS_ENDPOINT, PUBLIC_ENDPOINTS
from billor.auth.bearer import bearer_token, is_metrics_token
from billor.auth.grants import Grant
from billor.auth.sessions import find_current_user
from billor.auth.tokens import verify
from billor.blocking import turn
from billor.cache import REFUSAL
from billor.context import CurrentUser, current_user
from billor.errors import AuthenticationFailed

# Limit of a request body without a token.
MAX_PUBLIC_BODY_BYTES = 8 * 1024

# Each process checks a token, and looks up its user and session, once in so many seconds: a page
# from Redis costs no SQL, and a change no transaction besides its own.
REMEMBERED_SECONDS = 1.0
# So long before its end one request looks it up again. At its end all that run would do so at once.
AHEAD_SECONDS = 0.2
MAX_REMEMBERED = 10_000


class _Remembered(NamedTuple):
    user: CurrentUser
    grant: Grant
    """Of no endpoint yet."""
    until: float
    """By the monotonic clock."""
    refresh_at: float


class Guard:
    """Decides who may use an endpoint, for Flask and for the page cache in front of it."""

    def __init__(self, app: Flask):
        """Install the guard before every view of the app."""
        self._app = app
        self._remembered: dict[str, _Remembered] = {}
        # The other database connections stay free for requests that have their user.
        self._turns = Semaphore(app.config["BILLOR"].database_pool_size // 2)
        app.extensions["remembered_users"] = self._remembered
        app.before_request(self._demand_token)

    def authorise(self, endpoint: str, authorization: str) -> Grant:
        """Make the user named by an `Authorization` header the current user, as of the endpoint.

        Raises `AuthenticationFailed` if nobody is named, and `role_missing` if the role is missing.
        """
        remembered, now = self._remembered.get(authorization), time.monotonic()
        if remembered is None or remembered.until <= now:
            with turn(self._turns):  # a burst waits here while one of it looks the token up
                remembered = self._remembered.get(authorization)
                if remembered is None or remembered.until <= time.monotonic():
                    remembered = self._look_up(authorization)
        elif remembered.refresh_at <= now:
            self._remembered[authorization] = remembered._replace(refresh_at=math.inf)
            remembered = self._look_up(authorization)
        grant = remembered.grant._replace(endpoint=endpoint)
        if refusal := grant.refusal(remembered.user):
            raise refusal
        current_user.set(remembered.user)
        return grant

    def _demand_token(self) -> None:
        # An unknown path or method has no rule: it is a 404 or 405, with or without a token.
        if request.url_rule is None or request.endpoint in PUBLIC_ENDPOINTS:
            request.max_content_length = MAX_PUBLIC_BODY_BYTES
            return
        # CORS preflight requests have no token.
        if request.method == "OPTIONS" and current_app.config["BILLOR"].cors_origins:
            return
        if refusal := request.environ.get(REFUSAL):
            raise refusal
        authorization = request.headers.get("Authorization", "")
        if request.endpoint == METRICS_ENDPOINT and is_metrics_token(
            authorization, current_app.config["BILLOR"]
        ):
            return
        g.grant = self.authorise(request.endpoint or "", authorization)

    def _look_up(self, authorization: str) -> _Remembered:
        token = bearer_token(authorization)
        if token is None:
            raise AuthenticationFailed("token_missing")
        with self._app.app_context():
            user_id, claims = verify(token, "access")
            session_id, epoch = claims.get("sid"), claims.get("epoch", 0)
            grant = Grant(user_id, session_id, epoch, float(claims["exp"]), endpoint="")
            until = time.monotonic() + REMEMBERED_SECONDS
            user = find_current_user(user_id, session_id)
        if user is None:
            self._remembered.pop(authorization, None)
            raise AuthenticationFailed("token_invalid")
        if len(self._remembered) >= MAX_REMEMBERED:
            self._remembered.clear()
        remembered = _Remembered(user, grant, until, until - AHEAD_SECONDS)
        self._remembered[authorization] = remembered
        return remembered
