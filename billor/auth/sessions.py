"""Sessions: started by a login, continued with refresh tokens, ended by a logout or expiry.

A token has the user's id, the account's `epoch`, the session's id `sid` and, if it is a refresh
token, its generation `gen`. It is valid until the account's epoch rises or the session ends. Each
refresh starts a new generation, and invalidates the previous refresh token. Reuse of that token
ends the session, since it may have been stolen (RFC 9700, section 4.14.2).
"""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import current_app
from flask_jwt_extended import JWTManager, create_access_token, create_refresh_token
from sqlalchemy import Connection, Row, delete, func, select

from billor.auth.api_keys import find_keys
from billor.config import Config
from billor.database import after_commit, execute, get_or_not_found, roll_back, transaction
from billor.errors import BillorError
from billor.events.event import EventType
from billor.models import ApiKey, Session, User, db
from billor.observe.context import CurrentUser
from billor.users.service import end_all_sessions, forget_cached_users, record_account

# Two tabs, or a client that lost the response, may send a token twice. Within this time both get a
# token of the same new generation.
RETRY_SECONDS = 10

jwt = JWTManager()

Tokens = dict[str, str | int]
"""The response to a login, by the attributes of `TokenSchema`; times in seconds."""


@jwt.user_lookup_loader
def find_current_user(_header: dict[str, Any], claims: dict[str, Any]) -> CurrentUser | None:
    """Return the user of a token, or None if the token is no longer valid."""
    user_id, session_id, epoch = int(claims["sub"]), claims.get("sid"), claims.get("epoch", 0)
    row = _find_users([(user_id, session_id)], db.session.connection()).get((user_id, session_id))
    roll_back()  # the request itself starts a new transaction
    if row is None or row.epoch != epoch:
        return None
    return CurrentUser(
        row.id, row.name, row.role, row.driver_id, epoch, session_id, float(claims["exp"])
    )


def ended_tokens(users: Collection[CurrentUser], connection: Connection) -> set[CurrentUser]:
    """Return the users whose tokens or API keys are no longer valid, but for their expiry."""
    found = _find_users([(user.id, user.session_id) for user in users], connection)
    key_ids = {user.api_key_id for user in users if user.api_key_id is not None}
    keys = {row.id for row in find_keys(ApiKey.id.in_(key_ids), connection)} if key_ids else ()

    def is_valid(user: CurrentUser) -> bool:
        if user.api_key_id is not None:
            return user.api_key_id in keys
        row = found.get((user.id, user.session_id))
        return row is not None and row.epoch == user.epoch

    return {user for user in users if not is_valid(user)}


def _find_users(
    keys: Collection[tuple[int, int | None]], connection: Connection
) -> dict[tuple[int, int | None], Row]:
    """Find active users by user id and session id, which may be None."""
    ids = {session_id for _, session_id in keys if session_id is not None}
    is_alive = (Session.user_id == User.id) & (Session.expires_at > func.now())
    rows = connection.execute(
        select(User.id, User.name, User.role, User.driver_id, User.epoch, Session.id.label("sid"))
        .outerjoin(Session, is_alive & Session.id.in_(ids))
        .where(User.id.in_({user_id for user_id, _ in keys}), User.is_active)
    )
    return {(row.id, sid): row for row in rows for sid in (row.sid, None)}


def start_session(user: User) -> Tokens:
    """Start a session of a user who has logged in."""
    config: Config = current_app.config["BILLOR"]
    seconds = max(config.session_seconds, config.access_token_seconds)
    expires_at = _now() + timedelta(seconds=seconds)
    session = Session(user_id=user.id, generation=0, expires_at=expires_at)
    with transaction():
        db.session.add(session)
        get_or_not_found(User, user.id).last_seen_at = _now()  # `user` may be detached
    return _issue(user.id, user.epoch, session)


def refresh_session(user: CurrentUser, generation: int | None) -> Tokens:
    """Return new tokens for a refresh token of this `generation`.

    Reuse within `RETRY_SECONDS` is a retry, and gets equivalent tokens. Later reuse ends the
    session.
    """
    with transaction():
        session = db.session.get(Session, user.session_id or 0, with_for_update=True)
        if session is None:
            raise BillorError("token_invalid")
        account = get_or_not_found(User, user.id)
        is_valid = _use_generation(session, generation)
        if is_valid:
            account.last_seen_at = session.refreshed_at
        else:
            db.session.delete(session)
            record_account(EventType.REFRESH_TOKEN_REUSED, account)
    if not is_valid:
        raise BillorError("token_invalid")
    return _issue(user.id, user.epoch, session)


def _use_generation(session: Session, used: int | None) -> bool:
    """Start the next generation; return False for a generation that was used before."""
    if used == session.generation:
        session.generation += 1
        session.refreshed_at = _now()
        return True
    is_recent = abs(_now() - session.refreshed_at) < timedelta(seconds=RETRY_SECONDS)
    return used == session.generation - 1 and is_recent


def end_session(user: CurrentUser) -> None:
    """End the session of the current token, or all of the user's if it has none."""
    if user.session_id is None:
        end_all_sessions(user.id)
        return
    with transaction():
        execute(delete(Session).where(Session.id == user.session_id))
        after_commit(forget_cached_users)


def access_token(user_id: int, claims: dict[str, Any], seconds: int) -> str:
    lifetime = timedelta(seconds=seconds)
    return create_access_token(str(user_id), additional_claims=claims, expires_delta=lifetime)


def _issue(user_id: int, epoch: int, session: Session) -> Tokens:
    """Return tokens that expire with the session, or before it."""
    lifetime = session.expires_at - _now()
    seconds = round(lifetime.total_seconds())
    expires_in = min(current_app.config["BILLOR"].access_token_seconds, seconds)
    claims = {"epoch": epoch, "sid": session.id}
    refresh_token = create_refresh_token(
        str(user_id), additional_claims=claims | {"gen": session.generation}, expires_delta=lifetime
    )
    return {
        "access_token": access_token(user_id, claims, expires_in),
        "token_type": "Bearer",
        "expires_in": expires_in,
        "refresh_token": refresh_token,
        "refresh_expires_in": seconds,
    }


def _now() -> datetime:
    return datetime.now(UTC)
