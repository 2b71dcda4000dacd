"""Events of drivers, stored in the transaction of the change that they describe."""

from collections.abc import Mapping, Sequence
from typing import Any

from billor.drivers.schemas import DriverSchema
from billor.events.event import EventType
from billor.events.outbox import acting_user, add_events, new_event
from billor.models import Driver

_schema = DriverSchema()


def record_created(drivers: Sequence[Driver]) -> None:
    """Add an event for each new driver to the transaction, with one statement."""
    user = acting_user()
    add_events(
        [
            new_event(
                EventType.DRIVER_CREATED,
                {"driver": _schema.dump(driver)} | user,
                driver_id=driver.id,
            )
            for driver in drivers
        ]
    )


def record_updated(driver: Driver, before: Mapping[str, Any]) -> None:
    """Add an event of a changed driver to the transaction; `before` has values by attribute."""
    payload = {"driver": _schema.dump(driver), "before": _schema.dump(before)} | acting_user()
    add_events([new_event(EventType.DRIVER_UPDATED, payload, driver_id=driver.id)])
