"""What a token grants: an endpoint, for as long as the account and the session are as they were."""

import time
from collections.abc import Collection
from typing import NamedTuple

from flask import g
from sqlalchemy import Connection

from billor.auth import access
from billor.auth.sessions import find_current_users
from billor.context import CurrentUser
from billor.errors import AuthenticationFailed, BillorError


class Grant(NamedTuple):
    """What the token of a request says, and the endpoint that was asked for."""

    user_id: int
    session_id: int | None
    epoch: int
    expires_at: float
    """Seconds since 1970."""
    endpoint: str

    def refusal(self, user: CurrentUser | None) -> BillorError | None:
        """Return why the user, as looked up now, is refused; None if there is no reason."""
        if self.expires_at <= time.time():
            return AuthenticationFailed("token_expired")
        if user is None or user.epoch != self.epoch:
            return AuthenticationFailed("token_invalid")
        if user.role not in access.ROLES_ALLOWED.get(self.endpoint, ()):
            return BillorError("role_missing")
        return None


def current_grant() -> Grant:
    """Return the grant of the current request, which the guard has let in."""
    return g.grant


def ended_grants(grants: Collection[Grant], connection: Connection) -> dict[Grant, str]:
    """Return which grants have ended, with the codes of the refusals; with one statement."""
    users = find_current_users([(each.user_id, each.session_id) for each in grants], connection)
    refusals = {each: each.refusal(users.get((each.user_id, each.session_id))) for each in grants}
    return {grant: refusal.code for grant, refusal in refusals.items() if refusal is not None}
