"""Business rules of users."""

from collections.abc import Mapping
from typing import Any

from flask import current_app
from sqlalchemy import exists, func, select

from billor.database import (
    Check,
    after_commit,
    change,
    get_or_not_found,
    lock,
    transaction,
    unchecked,
)
from billor.database.keyset import Page, Position, paginate
from billor.database.text import normal_email
from billor.database.unique import Unique
from billor.errors import Conflict, Invalid
from billor.events.event import EventType
from billor.events.outbox import record
from billor.models import Driver, Role, User, db
from billor.users.passwords import hash_password
from billor.users.schemas import AccountSchema

EMAIL = Unique(User.email, func.lower, "uq_users_email", "email_taken")

# Nobody can log in without a password.
IS_ADMIN = (User.role == Role.ADMIN) & User.is_active & User.password_hash.is_not(None)
# In one order, to avoid deadlocks.
LOCK_ADMINS = select(User.id).where(IS_ADMIN).order_by(User.id).with_for_update(key_share=True)
ENDS_TOKENS = {"role", "driver_id", "is_active", "password_hash"}
"""Changes after which the user must log in again."""

_schema = AccountSchema()


def record_account(
    event_type: EventType,
    user: User | None,
    before: Mapping[str, Any] | None = None,
    **details: Any,
) -> None:
    """Add an event of a user's account to the transaction.

    Every change of an account has one, so this also forgets cached users. The payload has the
    account, the values `before` an update, and `details`, but no secret and no email address, since
    there may be other subscribers. `user` is None for an unknown account.
    """
    payload = details
    if user is not None:
        payload["account"] = _schema.dump(user)
    if shown := _schema.dump(before or {}):
        payload["before"] = shown
    record(event_type, payload, user_id=user.id if user else None)
    after_commit(forget_cached_users)


def create_user(
    name: str, email: str, password: str | None = None, role: Role = Role.DISPATCHER, **others: Any
) -> User:
    """Create a user; without a password they are mailed a link that sets one."""
    user = User(name=name, email=normal_email(email), role=role, **others)
    if password is not None:
        user.password_hash = hash_password(password)
    with transaction():
        _check_driver(role, user.driver_id)
        with EMAIL.checked(user.email):
            db.session.add(user)
        record_account(EventType.USER_CREATED, user)
        if password is None:
            record_account(EventType.USER_INVITED, user)
    return user


def find_user(email: str) -> User | None:
    """Return the user with this email address, in any form of it."""
    return db.session.scalar(select(User).where(EMAIL.equals(normal_email(email))))


def has_admin() -> bool:
    """Return whether there is an admin who can log in."""
    return bool(db.session.scalar(select(exists().where(IS_ADMIN))))


def list_users(
    limit: int, cursor: Position | None = None, email: str | None = None, q: str | None = None
) -> Page:
    """Return a page of users, newest first; `q` has the beginnings of words of name or email."""
    query = select(User)
    if email is not None:
        query = query.where(EMAIL.equals(normal_email(email)))
    return paginate(query, [User.id], limit, cursor, q=q)


def update_user(
    user_id: int, check: Check = unchecked, password: str | None = None, **changes: Any
) -> User:
    """Change `name`, `language`, `password`, `role`, `driver_id` or `is_active`.

    All changes but a new name or language end the user's tokens. Another role than DRIVER clears
    the driver.
    """
    if password is not None:
        changes["password_hash"] = hash_password(password)
    with transaction():
        admins = db.session.scalars(LOCK_ADMINS).all() if ENDS_TOKENS & changes.keys() else []
        user = lock(User, user_id, check)
        was_admin = user.role == Role.ADMIN and user.is_active
        changed = _effective(changes, user)
        _check_driver(changed.get("role", user.role), changed.get("driver_id", user.driver_id))
        before = change(user, changed)
        is_admin = user.role == Role.ADMIN and user.is_active
        if was_admin and not is_admin and not {*admins} - {user_id}:
            raise Conflict("last_admin")
        _record_changes(user, before)
    return user


def end_all_sessions(user_id: int) -> None:
    """End all tokens of a user. Raises `NotFound`."""
    with transaction():
        user = lock(User, user_id)
        user.epoch += 1
        record_account(EventType.SESSIONS_ENDED, user)


def forget_cached_users() -> None:
    """Clear this process's cache of users; in other processes it expires within a second."""
    current_app.extensions["cached_users"].clear()


def _effective(changes: dict[str, Any], user: User) -> dict[str, Any]:
    """Return the changes that make a difference, and their consequences."""
    if changes.get("role", Role.DRIVER) != Role.DRIVER:
        changes = {"driver_id": None} | changes
    changed = {name: value for name, value in changes.items() if getattr(user, name) != value}
    if ENDS_TOKENS & changed.keys():
        changed["epoch"] = user.epoch + 1
    return changed


def _check_driver(role: Role, driver_id: int | None) -> None:
    if (role == Role.DRIVER) != (driver_id is not None):
        raise Invalid({"driverId": ["A user of role DRIVER needs one, and no other may have one."]})
    if driver_id is not None:
        get_or_not_found(Driver, driver_id)


def _record_changes(user: User, before: dict[str, Any]) -> None:
    """Add an event for each kind of change, with the previous values."""
    kinds = {
        EventType.USER_UPDATED: ("name", "language"),
        EventType.ROLE_CHANGED: ("role", "driver_id"),
        EventType.PASSWORD_CHANGED: ("password_hash",),
        EventType.USER_REACTIVATED if user.is_active else EventType.USER_DEACTIVATED: (
            "is_active",
        ),
    }
    for event_type, names in kinds.items():
        if values := {name: before[name] for name in names if name in before}:
            record_account(event_type, user, before=values)
