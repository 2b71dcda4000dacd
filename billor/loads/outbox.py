"""Events of loads, stored in the transaction of the change that they describe."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row

from billor.drivers.schemas import DriverSchema
from billor.events.event import EventType
from billor.events.outbox import acting_user, add_events, new_event
from billor.loads.schemas import LoadSchema
from billor.models import Assignment, Driver, Load

_load_schema = LoadSchema()
_driver_schema = DriverSchema()


def event(
    event_type: EventType,
    load: Load,
    *,
    driver: Driver | None = None,
    assignment: Assignment | None = None,
    before: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return an event of `load`, for the outbox.

    Its payload is the load, the driver if there is one, the values `before` an update by
    attribute, and the current user.
    """
    payload = {"load": _load_schema.dump(load)} | acting_user()
    subject = {"load_id": load.id}
    if before is not None:
        payload["before"] = _load_schema.dump(before)
    if driver is not None:
        subject["driver_id"] = driver.id
        payload["driver"] = _driver_schema.dump(driver)
    if assignment is not None:
        subject["assignment_id"] = assignment.id
    return new_event(event_type, payload, **subject)


def record_assigned(assignments: Sequence[Assignment]) -> None:
    """Add an event for each new assignment to the transaction, with one statement.

    Each has its driver and its load, and no two have the same.
    """
    loads = _load_schema.dump([assignment.load for assignment in assignments], many=True)
    drivers = _driver_schema.dump([assignment.driver for assignment in assignments], many=True)
    user = acting_user()
    add_events(
        [
            new_event(
                EventType.LOAD_ASSIGNED,
                {"load": load, "driver": driver} | user,
                load_id=assignment.load.id,
                driver_id=assignment.driver.id,
                assignment_id=assignment.id,
            )
            for assignment, load, driver in zip(assignments, loads, drivers, strict=True)
        ]
    )


def record_created(loads: Sequence[Row]) -> None:
    """Add an event for each new load to the transaction, with one statement."""
    dumped, user = _load_schema.dump(loads, many=True), acting_user()
    add_events(
        [
            new_event(EventType.LOAD_CREATED, {"load": shown} | user, load_id=load.id)
            for load, shown in zip(loads, dumped, strict=True)
        ]
    )
