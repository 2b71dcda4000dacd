"""The outbox: events are stored in the transaction of the change that they describe."""

import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row

from billor.cache.pages import invalidate_pages
from billor.context import current_user, request_id
from billor.database import Insertion, after_commit
from billor.drivers.schemas import DriverSchema
from billor.events.event import EventType
from billor.loads.schemas import LoadSchema
from billor.models import Assignment, Driver, Load, LoadEvent

_load_schema = LoadSchema()
_driver_schema = DriverSchema()
INSERTION = Insertion(
    LoadEvent,
    ["id", "type", "load_id", "driver_id", "assignment_id", "payload", "request_id"],
)


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
    attribute, and the current user.
    """
    event = _event(event_type, load, _load_schema.dump(load), _user())
    if before is not None:
        event["payload"]["before"] = _load_schema.dump(before)
    if driver is not None:
        event["driver_id"] = driver.id
        event["payload"]["driver"] = _driver_schema.dump(driver)
    if assignment is not None:
        event["assignment_id"] = assignment.id
    _insert([event])


def record_assigned(assignments: Sequence[Assignment]) -> None:
    """Add an event for each new assignment to the transaction, with one statement.

    Each has its driver and its load, and no two have the same.
    """
    loads = _load_schema.dump([assignment.load for assignment in assignments], many=True)
    drivers = _driver_schema.dump([assignment.driver for assignment in assignments], many=True)
    user = _user()
    _insert(
        [
            _event(EventType.LOAD_ASSIGNED, assignment.load, load, user | {"driver": driver})
            | {"driver_id": assignment.driver.id, "assignment_id": assignment.id}
            for assignment, load, driver in zip(assignments, loads, drivers, strict=True)
        ]
    )


def record_created(loads: Sequence[Row]) -> None:
    """Add an event for each new load to the transaction, with one statement."""
    dumped, user = _load_schema.dump(loads, many=True), _user()
    _insert(
        [
            _event(EventType.LOAD_CREATED, load, shown, user)
            for load, shown in zip(loads, dumped, strict=True)
        ]
    )


def _user() -> dict[str, Any]:
    """Return the current user as part of a payload; empty if there is none."""
    user = current_user.get()
    return {} if user is None else {"user": user.reference}


def _event(
    event_type: EventType, load: Load | Row, shown: dict[str, Any], user: dict[str, Any]
) -> dict[str, Any]:
    return {
        "id": uuid.uuid4(),
        "type": event_type.value,
        "load_id": load.id,
        "payload": {"load": shown} | user,
        "request_id": request_id.get(),
    }


def _insert(events: list[dict[str, Any]]) -> None:
    """Add events. Every change of a load has one, so this also invalidates cached pages."""
    if events:
        INSERTION.run(events)
        after_commit(invalidate_pages)
