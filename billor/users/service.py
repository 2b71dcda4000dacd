"""Business rules of users."""

from sqlalchemy import func, select

from billor.database import get_or_not_found, insert_new, transaction
from billor.extensions import db
from billor.keyset import Page, Position, paginate
from billor.models import User
from billor.users.passwords import hash_password


def create_user(name: str, email: str, password: str | None = None) -> User:
    """Create a user; without a password they cannot log in. Raises `Conflict` `email_taken`."""
    password_hash = hash_password(password) if password is not None else None
    row = {"name": name, "email": email, "password_hash": password_hash}
    with transaction():
        (user,) = insert_new(User, [row], "email_taken")
    return user


def get_user(user_id: int) -> User:
    """Return a user. Raises `NotFound`."""
    return get_or_not_found(User, user_id)


def find_user(email: str) -> User | None:
    """Return the user with this email address, ignoring case."""
    return db.session.scalar(select(User).where(func.lower(User.email) == func.lower(email)))


def list_users(limit: int, cursor: Position | None = None) -> Page:
    """Return a page of users, newest first."""
    return paginate([select(User)], [User.id], cursor, limit)
