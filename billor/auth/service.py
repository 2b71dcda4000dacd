"""Logging in: an email address and a password for a token."""

from flask_jwt_extended import create_access_token
from sqlalchemy import func, select

from billor.auth.attempts import counted_attempt
from billor.auth.passwords import password_matches
from billor.context import Actor
from billor.database import roll_back
from billor.errors import AuthenticationFailed
from billor.extensions import db
from billor.models import User


def log_in(email: str, password: str, address: str) -> str:
    """Check the password and return an access token (a JWT whose subject is the user's id).

    Raises `AuthenticationFailed`, after the same time for an unknown email address, and
    `TooManyAttempts` when `address` has failed too often.
    """
    with counted_attempt(address):
        user = db.session.scalar(select(User).where(func.lower(User.email) == func.lower(email)))
        if not password_matches(user and user.password_hash, password):
            raise AuthenticationFailed("invalid_credentials")
    return create_access_token(identity=str(user.id))


def find_actor(user_id: int) -> Actor | None:
    """The user of a token, if they are still there."""
    name = db.session.scalar(select(User.name).where(User.id == user_id))
    roll_back()  # what the request is about begins a transaction of its own
    return None if name is None else Actor(user_id, name)
