"""Events of accounts, stored in the transaction of the change that they describe.

None has a secret in it, nor an email address: other subscribers of the topic get them, too.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import insert

from billor.database import execute, table
from billor.events.event import EventType
from billor.events.outbox import acting_user, caused_by
from billor.models import LoadEvent, User
from billor.users.schemas import AccountSchema

_schema = AccountSchema()
INSERT = insert(table(LoadEvent))


def record(
    event_type: EventType,
    user: User | None,
    before: Mapping[str, Any] | None = None,
    **details: Any,
) -> None:
    """Add an event of the user's account to the transaction.

    Its payload is the account, the values `before` an update by attribute, who did it, and
    `details`. `user` is None for a login at no account.
    """
    payload = details | acting_user()
    if user is not None:
        payload["account"] = _schema.dump(user)
    if before is not None:
        payload["before"] = _schema.dump(before)
    event = {
        "type": event_type.value,
        "user_id": user.id if user else None,
        "payload": payload,
        **caused_by(),
    }
    execute(INSERT, event)
