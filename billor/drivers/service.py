"""The rules of drivers."""

from collections.abc import Callable, Collection, Iterable, Mapping

from sqlalchemy import exists, select

from billor.database import Lock, get_or_not_found, transaction
from billor.extensions import db
from billor.models import Assignment, AssignmentStatus, Driver, DriverStatus
from billor.pagination import Page, Position, paginate


def create_driver(name: str, license_number: str, status: str = DriverStatus.ACTIVE) -> Driver:
    """Create a driver. Raises `Conflict` `license_number_taken`."""
    fields = {"name": name, "license_number": license_number, "status": status}
    return create_drivers([fields])[0]


def create_drivers(rows: Iterable[Mapping[str, str]]) -> list[Driver]:
    """Create drivers from what `create_driver` takes, many with few statements; all or none.

    Raises `Conflict` `license_number_taken`.
    """
    drivers = [Driver(**row) for row in rows]
    with transaction():
        db.session.add_all(drivers)
    return drivers


def get_driver(driver_id: int) -> Driver:
    """Raises `NotFound`."""
    return get_or_not_found(Driver, driver_id)


def update_driver(
    driver_id: int, check: Callable[[Driver], None] | None = None, **changes: str
) -> Driver:
    """Change `name`, `license_number` or `status`. A driver who becomes INACTIVE keeps an active
    load until it is completed or cancelled. `check` may refuse, seeing the driver as it is before.

    Raises `NotFound`, `Conflict` `license_number_taken`, and what `check` raises.
    """
    with transaction():
        driver = get_or_not_found(Driver, driver_id, Lock.CHANGE)
        if check is not None:
            check(driver)
        for name, value in changes.items():
            setattr(driver, name, value)
    return driver


def list_drivers(
    limit: int,
    cursor: Position | None = None,
    status: Collection[str] = (),
    available: bool | None = None,
) -> Page:
    """Drivers, newest first; `available` ones are active and have no active load."""
    query = select(Driver)
    if status:
        query = query.where(Driver.status.in_(status))
    if available is not None:
        busy = exists().where(
            Assignment.driver_id == Driver.id,
            Assignment.status == AssignmentStatus.ASSIGNED.value,
        )
        is_available = (Driver.status == DriverStatus.ACTIVE) & ~busy
        query = query.where(is_available if available else ~is_available)
    return paginate(query, [Driver.id], cursor, limit)
