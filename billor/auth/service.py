"""Login: an email address and a password in exchange for a token."""

from flask_jwt_extended import create_access_token
from sqlalchemy import select

from billor.auth.attempts import counted_attempt
from billor.context import CurrentUser
from billor.database import roll_back
from billor.emails import stored_address
from billor.errors import AuthenticationFailed
from billor.extensions import db
from billor.models import User
from billor.users.passwords import password_matches
from billor.users.service import find_user


def log_in(email: str, password: str, address: str) -> str:
    """Check the password and return an access token.

    Raises `AuthenticationFailed`, after the same time for an unknown email address, and
    `TooManyAttempts` when logins from `address` or with this email address failed too often.
    """
    email = stored_address(email)
    with counted_attempt(email, address):
        user = find_user(email)
        matches = password_matches(user.password_hash if user else None, password)
        if user is None or not matches:
            raise AuthenticationFailed("invalid_credentials")
    return issue_token(user)


def issue_token(user: User) -> str:
    """Create an access token: a JWT whose subject is the user's id."""
    return create_access_token(identity=str(user.id))


def find_current_user(user_id: int) -> CurrentUser | None:
    """Return the user of a token, or None if it was deleted."""
    name = db.session.scalar(select(User.name).where(User.id == user_id))
    roll_back()  # the request itself starts a new transaction
    return None if name is None else CurrentUser(user_id, name)
