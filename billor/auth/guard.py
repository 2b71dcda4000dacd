"""Default deny: every endpoint needs a token of a user with a role that `access` allows."""

import time
from threading import Semaphore
from wsgiref.types import WSGIEnvironment

from flask import Flask, Response, current_app, request
from flask_jwt_extended import get_current_user, verify_jwt_in_request

from billor.api.problems import render_error
from billor.auth import access, api_keys
from billor.auth.sessions import jwt
from billor.cache import CACHE_ERROR, turn
from billor.errors import BillorError, TooMany
from billor.observe.context import CurrentUser, current_user, rate_limit
from billor.observe.metrics import has_token

MAX_PUBLIC_BODY_BYTES = 8 * 1024
# How long each process caches the user of a token, so that a page from Redis needs no SQL. A
# revoked token is promised to fail within two seconds.
USER_CACHE_SECONDS = 1.0
MAX_CACHED_USERS = 10_000


class Guard:
    """Authenticates and authorises requests, for Flask and for the page cache in front of it."""

    def __init__(self, app: Flask):
        """Install the guard before every view of the app."""
        self._app = app
        self._cached: dict[str, tuple[CurrentUser, float]] = {}
        # The other database connections are left to requests that are past the guard.
        self._turns = Semaphore(app.config["BILLOR"].database_pool_size // 2)
        app.extensions["cached_users"] = self._cached
        app.before_request(self._require_token)

    def authorise(self, endpoint: str, environ: WSGIEnvironment) -> None:
        """Set the current user from a token, in front of Flask, or raise an error to render."""
        user = self._cached_user(environ)
        if user is None:
            with self._app.request_context(environ):
                user = self._verify()
        self._admit(user, endpoint)

    def _require_token(self) -> None:
        # A request without a rule gets a 404 or 405, with or without a token.
        if request.url_rule is None or request.endpoint in access.PUBLIC_ENDPOINTS:
            request.max_content_length = MAX_PUBLIC_BODY_BYTES
            return
        if request.method == "OPTIONS":  # CORS preflight requests have no token
            return
        if error := request.environ.get(CACHE_ERROR):
            raise error
        token = current_app.config["BILLOR"].metrics_token
        if request.endpoint == access.METRICS_ENDPOINT and has_token(request.environ, token):
            return
        self._admit(self._cached_user(request.environ) or self._verify(), request.endpoint or "")

    def _cached_user(self, environ: WSGIEnvironment) -> CurrentUser | None:
        user, until = self._cached.get(environ.get("HTTP_AUTHORIZATION", ""), (None, 0.0))
        if user is None or until <= time.monotonic() or user.expires_at <= time.time():
            return None
        return user

    def _verify(self) -> CurrentUser:
        with turn(self._turns):  # of a burst, the first request verifies the token
            if user := self._cached_user(request.environ):
                return user
            until = time.monotonic() + USER_CACHE_SECONDS
            authorization = request.headers.get("Authorization", "")
            if authorization.startswith(f"Bearer {api_keys.START}"):
                user = api_keys.find_program(authorization.removeprefix("Bearer "))
            else:
                verify_jwt_in_request()
                user = get_current_user()
            if len(self._cached) >= MAX_CACHED_USERS:
                self._cached.clear()
            self._cached[authorization] = user, until
            return user

    def _admit(self, user: CurrentUser, endpoint: str) -> None:
        if user.api_key_id is not None:
            self._count_request(user.api_key_id)
            if endpoint.startswith(access.PERSONAL):
                raise BillorError("api_key_refused")
        if user.role not in access.roles_of(endpoint):
            raise BillorError("role_missing")
        current_user.set(user)

    def _count_request(self, key_id: int) -> None:
        """Count a program's request, for the limit of each minute. Without Redis there is none."""
        if rate_limit.get():  # counted in front of Flask
            return
        minute, second = divmod(int(time.time()), 60)
        count = self._app.extensions["pages"].count(f"requests:{key_id}:{minute}", 60)
        if count is not None:
            most, seconds = self._app.config["BILLOR"].api_key_requests, 60 - second
            left = f'"minute";r={max(0, most - count)};t={seconds}'
            rate_limit.set((("RateLimit-Policy", f'"minute";q={most};w=60'), ("RateLimit", left)))
            if count > most:
                raise TooMany("too_many_requests", seconds)


def _failed(code: str) -> Response:
    return render_error(BillorError(code))


jwt.unauthorized_loader(lambda _reason: _failed("token_missing"))
jwt.invalid_token_loader(lambda _reason: _failed("token_invalid"))
jwt.expired_token_loader(lambda _header, _claims: _failed("token_expired"))
jwt.user_lookup_error_loader(lambda _header, _claims: _failed("token_invalid"))
