"""The outbox: events are stored in the transaction of the change that they describe."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Row, insert

from billor.cache.pages import invalidate_pages
from billor.context import current_user, request_id
from billor.database import after_commit, execute, table
from billor.drivers.schemas import DriverSchema
from billor.events.event import EventType
from billor.loads.schemas import LoadSchema
from billor.models import Assignment, Driver, Load, LoadEvent

_load_schema = LoadSchema()
_driver_schema = DriverSchema()
INSERT = insert(table(LoadEvent))


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
    event = _event(event_type, load)
    if before is not None:
        event["payload"]["before"] = _load_schema.dump(before)
    if driver is not None:
        event["driver_id"] = driver.id
        event["payload"]["driver"] = _driver_schema.dump(driver)
    if assignment is not None:
        event["assignment_id"] = assignment.id
    _insert([event])


def record_created(loads: Iterable[Row]) -> None:
    """Add an event for each new load to the transaction, with few statements."""
    _insert([_event(EventType.LOAD_CREATED, load) for load in loads])


def _event(event_type: EventType, load: Load | Row) -> dict[str, Any]:
    payload = {"load": _load_schema.dump(load)}
    if (user := current_user.get()) is not None:
        payload["user"] = user.reference
    return {
        "type": event_type.value,
        "load_id": load.id,
        "driver_id": None,
        "assignment_id": None,
        "payload": payload,
        "request_id": request_id.get(),
    }


def _insert(events: list[dict[str, Any]]) -> None:
    """Add events. Every change of a load has one, so this also invalidates cached pages."""
    if events:
        execute(INSERT, events)
        after_commit(invalidate_pages)
