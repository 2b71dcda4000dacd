"""Business rules of users."""

from sqlalchemy import func, select

from billor.database import get_or_not_found, transaction
from billor.emails import stored_address
from billor.extensions import db
from billor.keyset import Page, Position, paginate
from billor.models import User
from billor.text import RefusedText
from billor.uniqueness import Unique
from billor.users.passwords import hash_password

EMAIL = Unique(User.email, func.lower, "uq_users_email", "email_taken")


def create_user(name: str, email: str, password: str | None = None) -> User:
    """Create a user; without a password they cannot log in. Raises `Taken` `email_taken`."""
    password_hash = hash_password(password) if password is not None else None
    row = {"name": name, "email": stored_address(email), "password_hash": password_hash}
    with transaction():
        (user,) = EMAIL.insert([row])
    return user


def get_user(user_id: int) -> User:
    """Return a user. Raises `NotFound`."""
    return get_or_not_found(User, user_id)


def find_user(email: str) -> User | None:
    """Return the user with this email address, in whatever form."""
    try:
        is_theirs = EMAIL.equals(stored_address(email))
    except RefusedText:
        return None
    return db.session.scalar(select(User).where(is_theirs))


def list_users(limit: int, cursor: Position | None = None, email: str | None = None) -> Page:
    """Return a page of users, newest first."""
    query = select(User)
    if email is not None:
        query = query.where(EMAIL.equals(stored_address(email)))
    return paginate([query], [User.id], cursor, limit)
