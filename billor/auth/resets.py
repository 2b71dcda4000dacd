"""Links in mails that set a password, for users who forgot theirs and for new ones.

The worker makes a link's token when it sends the mail, so nothing else has it. A token is valid
once: the password that it sets raises the account's epoch, as a deactivation does.
"""

from contextlib import suppress

from flask import current_app
from itsdangerous import BadData, URLSafeTimedSerializer

from billor.auth.attempts import count_mail
from billor.database import execute_pending, transaction
from billor.database.text import normal_email
from billor.errors import BillorError
from billor.events.event import EventType
from billor.models import User, db
from billor.users.service import find_user, record_account, update_user

VALID_SECONDS = {
    EventType.PASSWORD_RESET_REQUESTED: 30 * 60,
    EventType.USER_INVITED: 7 * 24 * 60 * 60,
}
"""How long the link in a mail of an event is valid."""


def request_reset(email: str, address: str) -> None:
    """Have a link mailed to an active user. For any other address it does and takes as much."""
    email = normal_email(email)
    count_mail(email, address)
    with transaction():
        user = find_user(email)
        savepoint = db.session.begin_nested()
        record_account(EventType.PASSWORD_RESET_REQUESTED, user)
        execute_pending()
        if user is None or not user.is_active:
            savepoint.rollback()


def make_token(purpose: EventType, user: User) -> str:
    """Return the token for a link in a mail of this event."""
    return _serializer(purpose).dumps([user.id, user.epoch])


def set_password(token: str, password: str) -> None:
    """Set the password of the token's user, and end all their sessions."""
    user_id, epoch = _read(token)

    def check(user: User) -> None:
        if user.epoch != epoch:
            raise BillorError("reset_token_invalid")

    update_user(user_id, check, password)


def _read(token: str) -> list[int]:
    """Return the user's id and epoch of a token for any purpose."""
    for purpose, seconds in VALID_SECONDS.items():
        with suppress(BadData):
            return _serializer(purpose).loads(token, max_age=seconds)
    raise BillorError("reset_token_invalid")


def _serializer(purpose: EventType) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(current_app.config["BILLOR"].jwt_secret_key, salt=purpose)
