"""The rule of one active load: why an assignment is refused."""

from typing import NamedTuple

from billor.errors import BillorError, Conflict, NotFound
from billor.models import Driver, DriverStatus, Load, LoadStatus

CODES = (
    "driver_not_found",
    "load_not_found",
    "driver_already_assigned",
    "load_already_assigned",
    "load_not_open",
    "driver_inactive",
)
"""Of refusals, the one with the highest precedence first."""
BLOCKED_BY = {"driver_already_assigned": "driver_id", "load_already_assigned": "load_id"}
"""By a refusal's code, what the active assignment in the way has in common with the pair."""


class Pair(NamedTuple):
    """Which driver is to move which load."""

    driver_id: int
    load_id: int


def refusal(
    pair: Pair,
    driver: Driver | None,
    load: Load | None,
    *,
    driver_has_load: bool,
    load_has_driver: bool,
) -> BillorError | None:
    """Return why the pair cannot be assigned, or None if it can.

    `driver` and `load` are its rows, locked, or None where there is none.
    """
    if driver is None:
        return NotFound("Driver", pair.driver_id)
    if load is None:
        return NotFound("Load", pair.load_id)
    if driver_has_load:
        return Conflict("driver_already_assigned")
    if load_has_driver or load.status == LoadStatus.ASSIGNED:
        return Conflict("load_already_assigned")
    if load.status != LoadStatus.OPEN:
        return Conflict("load_not_open")
    if driver.status != DriverStatus.ACTIVE:
        return Conflict("driver_inactive")
    return None
