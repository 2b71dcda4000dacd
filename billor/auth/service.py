"""Login: exchanges an email address and a password for tokens."""

from flask import current_app

from billor.auth.attempts import counted_attempt
from billor.auth.sessions import Tokens, access_token, start_session
from billor.database import get_or_not_found
from billor.database.text import normal_email
from billor.errors import BillorError
from billor.models import User, db
from billor.observe.context import CurrentUser
from billor.users.passwords import password_matches
from billor.users.service import find_user, update_user


def log_in(email: str, password: str, address: str) -> Tokens:
    """Check the password and start a session. An unknown account takes as long as a wrong one."""
    email = normal_email(email)
    with counted_attempt(email, address):
        user = find_user(email)
        db.session.close()  # hashing holds no connection
        matches = password_matches(user.password_hash if user else None, password)
        if user is None or not matches or not user.is_active:
            raise BillorError("invalid_credentials")
    return start_session(user)


def change_password(user: CurrentUser, old_password: str, new_password: str, address: str) -> None:
    """Change the current user's password, and end all their sessions."""

    def check(account: User) -> None:
        if account.epoch != user.epoch:  # the token has ended in the meantime
            raise BillorError("token_invalid")

    account = get_or_not_found(User, user.id)
    db.session.close()
    with counted_attempt(account.email, address):
        if not password_matches(account.password_hash, old_password):
            detail = "The old password is wrong. Check it."
            raise BillorError("invalid_credentials", detail)
    update_user(user.id, check, new_password)


def issue_token(user: User) -> str:
    """Create an access token without a session, for scripts."""
    seconds = current_app.config["BILLOR"].access_token_seconds
    return access_token(user.id, {"epoch": user.epoch}, seconds)
