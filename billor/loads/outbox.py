"""The outbox: events are stored in the transaction of the change that they describe."""

from typing import Any

from billor.cache.pages import invalidate_pages
from billor.context import current_user, request_id
from billor.database import after_commit
from billor.drivers.schemas import DriverSchema
from billor.events.event import EventType
from billor.extensions import db
from billor.loads.schemas import LoadSchema
from billor.models import Assignment, Driver, Load, LoadEvent

_load_schema = LoadSchema()
_driver_schema = DriverSchema()


def record(
    event_type: EventType,
    load: Load,
    *,
    driver: Driver | None = None,
    assignment: Assignment | None = None,
    before: dict[str, Any] | None = None,
) -> None:
    """Add an event of `load` to the transaction.

    Its payload is the load, the driver if there is one, the values `before` an update by
    attribute, and the current user. Every change of a load has an event, so this also invalidates
    cached pages.
    """
    payload = {"load": _load_schema.dump(load)}
    if before is not None:
        payload["before"] = _load_schema.dump(before)
    if driver is not None:
        payload["driver"] = _driver_schema.dump(driver)
    if (user := current_user.get()) is not None:
        payload["user"] = user._asdict()
    db.session.add(
        LoadEvent(
            type=event_type.value,
            load_id=load.id,
            driver_id=driver and driver.id,
            assignment_id=assignment and assignment.id,
            payload=payload,
            request_id=request_id.get(),
        )
    )
    after_commit(invalidate_pages)
