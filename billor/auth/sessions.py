"""Sessions: what a login starts, refresh tokens prolong up to its end, and a logout ends.

Each use of a refresh token makes the session's next generation, and the token before is used up.
Used again, it may have been stolen, and the session ends (RFC 9700, section 4.14.2).
"""

from collections.abc import Collection
from datetime import timedelta
from typing import NamedTuple

from flask import current_app
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Connection,
    Row,
    any_,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)

from billor.auth import tokens
from billor.config import Config
from billor.context import CurrentUser
from billor.database import (
    DELETE_BATCH_SIZE,
    after_commit,
    execute,
    execute_bulk,
    roll_back,
    table,
    transaction,
)
from billor.errors import AuthenticationFailed
from billor.events.event import EventType
from billor.extensions import db
from billor.models import Session, User
from billor.users.service import end_all_sessions, forget_remembered, record_account

# Two tabs, or a client that got no answer, may send a token twice. Within this time each of them
# gets a token of the same new generation.
RETRY_SECONDS = 10

IS_ALIVE = Session.expires_at > func.now()
_IDS = ARRAY(BigInteger)
FIND_USERS_IN_SESSIONS = (
    select(
        User.id, User.name, User.role, User.driver_id, User.epoch, Session.id.label("session_id")
    )
    .outerjoin(
        Session,
        (Session.user_id == User.id)
        & (Session.id == any_(bindparam("session_ids", type_=_IDS)))
        & IS_ALIVE,
    )
    .where(User.id == any_(bindparam("user_ids", type_=_IDS)), User.is_active)
)
LOCK_SESSION = (
    select(
        Session.id,
        Session.user_id,
        Session.generation,
        (Session.refreshed_at > func.clock_timestamp() - timedelta(seconds=RETRY_SECONDS)).label(
            "may_be_retried"
        ),
        func.floor(func.extract("epoch", Session.expires_at - func.now())).label("seconds"),
        User.epoch,
    )
    .join(User, User.id == Session.user_id)
    .where(
        Session.id == bindparam("sid"),
        Session.user_id == bindparam("user_id"),
        User.is_active,
        User.epoch == bindparam("epoch"),
        IS_ALIVE,
    )
    .with_for_update(of=Session)
)


class Tokens(NamedTuple):
    """What a login answers with; times in seconds."""

    access_token: str
    expires_in: int
    refresh_token: str
    refresh_expires_in: int
    token_type: str = "Bearer"  # noqa: S105 - no token


def find_current_user(user_id: int, session_id: int | None) -> CurrentUser | None:
    """Return the user of a token, or None if the user was deactivated or the session has ended."""
    key = user_id, session_id
    users = find_current_users([key], db.session.connection())
    roll_back()  # the request itself starts a new transaction
    return users.get(key)


def find_current_users(
    keys: Collection[tuple[int, int | None]], connection: Connection
) -> dict[tuple[int, int | None], CurrentUser]:
    """Find the users of many tokens, by user's and session's id, as `find_current_user` does one.

    Those who were deactivated or whose session has ended are left out.
    """
    ids = {
        "user_ids": list({user_id for user_id, _ in keys}),
        "session_ids": list({id_ for _, id_ in keys if id_ is not None}),
    }
    found = {}
    for row in connection.execute(FIND_USERS_IN_SESSIONS, ids):
        for session_id in {row.session_id, None}:  # a token without a session needs none
            user = CurrentUser(row.id, row.name, row.role, row.driver_id, row.epoch, session_id)
            found[row.id, session_id] = user
    return found


def start_session(user: User) -> Tokens:
    """Start a session of a user who has logged in."""
    config: Config = current_app.config["BILLOR"]
    seconds = max(config.session_seconds, config.access_token_seconds)
    row = {"user_id": user.id, "expires_at": func.now() + timedelta(seconds=seconds)}
    with transaction():
        session_id = execute(insert(table(Session)).values(row).returning(Session.id)).scalar_one()
    return _issue(user.id, user.epoch, session_id, 0, seconds)


def refresh_session(refresh_token: str) -> Tokens:
    """Return the next tokens of a session, in exchange for its newest refresh token.

    Sent again within `RETRY_SECONDS`, the token gets an answer as good as the first. Later, the
    session ends.

    Raises `AuthenticationFailed` `token_expired` or `token_invalid`.
    """
    user_id, claims = tokens.verify(refresh_token, "refresh")
    with transaction():
        values = {name: claims.get(name) for name in ("sid", "epoch")} | {"user_id": user_id}
        session = execute(LOCK_SESSION, values).first()
        if session is None:
            raise AuthenticationFailed("token_invalid")
        generation = _next_generation(session, claims["gen"])
    if generation is None:
        raise AuthenticationFailed("token_invalid")
    return _issue(user_id, session.epoch, session.id, generation, int(session.seconds))


def _next_generation(session: Row, used: int) -> int | None:
    """Return the generation after the `used` one; None if the session had to end."""
    if used == session.generation:
        following = {"generation": used + 1, "refreshed_at": func.clock_timestamp()}
        execute(update(table(Session)).where(Session.id == session.id).values(following))
        return used + 1
    if used + 1 == session.generation and session.may_be_retried:
        return session.generation
    _end(session.id)
    user = db.session.get_one(User, session.user_id)
    record_account(EventType.REFRESH_TOKEN_REUSED, user)
    return None


def end_session(user: CurrentUser) -> None:
    """End the session of the user's token; a token without one ends all of the user's."""
    if user.session_id is None:
        end_all_sessions(user.id)
        return
    with transaction():
        _end(user.session_id)


def delete_expired_sessions() -> int:
    """Delete expired sessions, `DELETE_BATCH_SIZE` at most; return how many. Raises `Unavailable`.

    Sessions that ended early with all of their user's are among them.
    """
    expired = select(Session.id).where(~IS_ALIVE).limit(DELETE_BATCH_SIZE)
    with transaction():
        return execute_bulk(delete(Session).where(Session.id.in_(expired.scalar_subquery())))


def _end(session_id: int) -> None:
    execute(delete(table(Session)).where(Session.id == session_id))
    after_commit(forget_remembered)


def _issue(user_id: int, epoch: int, session_id: int, generation: int, seconds: int) -> Tokens:
    """Return tokens of a session that lasts for so many more seconds; neither outlives it."""
    claims = {"epoch": epoch, "sid": session_id}
    expires_in = min(current_app.config["BILLOR"].access_token_seconds, seconds)
    return Tokens(
        tokens.access_token(user_id, claims, expires_in),
        expires_in,
        tokens.refresh_token(user_id, claims | {"gen": generation}, seconds),
        seconds,
    )
