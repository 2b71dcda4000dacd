"""Default deny: every endpoint requires a token of a role that `access` allows there."""

import hmac
import time
from threading import Semaphore
from wsgiref.types import WSGIEnvironment

from flask import Flask, Response, current_app, request
from flask_jwt_extended import get_current_user, verify_jwt_in_request

from billor.api.problems import render_refusal
from billor.auth import access
from billor.auth.sessions import jwt
from billor.cache import REFUSAL, turn
from billor.config import Config
from billor.errors import AuthenticationFailed, BillorError
from billor.observe.context import CurrentUser, current_user

MAX_PUBLIC_BODY_BYTES = 8 * 1024
# Each process verifies a token, and looks up its user, once in so many seconds: a page from Redis
# costs no SQL. Less than the two seconds within which a revoked login is out.
REMEMBERED_SECONDS = 1.0
MAX_REMEMBERED = 10_000


class Guard:
    """Decides who may use an endpoint, for Flask and for the page cache in front of it."""

    def __init__(self, app: Flask):
        """Install the guard before every view of the app."""
        self._app = app
        self._remembered: dict[str, tuple[CurrentUser, float]] = {}
        # The other database connections stay free for requests that have their user.
        self._turns = Semaphore(app.config["BILLOR"].database_pool_size // 2)
        app.extensions["remembered_users"] = self._remembered
        app.before_request(self._demand_token)

    def authorise(self, endpoint: str, environ: WSGIEnvironment) -> None:
        """Make the user of a request's token the current one, before the app gets the request.

        Raises what refuses them: the app renders it.
        """
        user = self._recall(environ)
        if user is None:
            with self._app.request_context(environ):
                user = self._verify_in_turn()
        _admit(user, endpoint)

    def _demand_token(self) -> None:
        # An unknown path or method has no rule: it is a 404 or 405, with or without a token.
        if request.url_rule is None or request.endpoint in access.PUBLIC_ENDPOINTS:
            request.max_content_length = MAX_PUBLIC_BODY_BYTES
            return
        if request.method == "OPTIONS":  # CORS preflight requests have no token
            return
        if refusal := request.environ.get(REFUSAL):
            raise refusal
        authorization = request.headers.get("Authorization", "")
        is_metrics = request.endpoint == access.METRICS_ENDPOINT
        if is_metrics and is_metrics_token(authorization, current_app.config["BILLOR"]):
            return
        user = self._recall(request.environ) or self._verify_in_turn()
        _admit(user, request.endpoint or "")

    def _recall(self, environ: WSGIEnvironment) -> CurrentUser | None:
        user, until = self._remembered.get(environ.get("HTTP_AUTHORIZATION", ""), (None, 0.0))
        if user is None or until <= time.monotonic() or user.expires_at <= time.time():
            return None
        return user

    def _verify_in_turn(self) -> CurrentUser:
        with turn(self._turns):  # a burst waits here while one of it is verified
            return self._recall(request.environ) or self._verify()

    def _verify(self) -> CurrentUser:
        until = time.monotonic() + REMEMBERED_SECONDS
        verify_jwt_in_request()
        user: CurrentUser = get_current_user()
        if len(self._remembered) >= MAX_REMEMBERED:
            self._remembered.clear()
        self._remembered[request.headers["Authorization"]] = user, until
        return user


def _admit(user: CurrentUser, endpoint: str) -> None:
    if user.role not in access.roles_of(endpoint):
        raise BillorError("role_missing")
    current_user.set(user)


def is_metrics_token(authorization: str, config: Config) -> bool:
    """Return whether a header has the `METRICS_TOKEN`; its time says nothing about it."""
    wanted = config.metrics_token
    return wanted is not None and hmac.compare_digest(
        authorization.encode(), f"Bearer {wanted}".encode()
    )


def _refusal(code: str) -> Response:
    return render_refusal(AuthenticationFailed(code))


# What Flask-JWT-Extended answers with when it refuses a token.
jwt.unauthorized_loader(lambda _reason: _refusal("token_missing"))
jwt.invalid_token_loader(lambda _reason: _refusal("token_invalid"))
jwt.expired_token_loader(lambda _header, _claims: _refusal("token_expired"))
jwt.user_lookup_error_loader(lambda _header, _claims: _refusal("token_invalid"))
