"""The rules of drivers."""

from sqlalchemy import exists, select

from billor.database import Lock, get_or_not_found, transaction
from billor.extensions import db
from billor.models import Assignment, AssignmentStatus, Driver, DriverStatus
from billor.pagination import Page, paginate


def create_driver(name: str, license_number: str, status: str = DriverStatus.ACTIVE) -> Driver:
    """Create a driver. Raises `Conflict` `license_number_taken`."""
    driver = Driver(name=name, license_number=license_number, status=status)
    with transaction():
        db.session.add(driver)
    return driver


def get_driver(driver_id: int) -> Driver:
    """Raises `NotFound`."""
    return get_or_not_found(Driver, driver_id)


def update_driver(driver_id: int, **changes: str) -> Driver:
    """Change `name`, `license_number` or `status`. A driver who becomes INACTIVE keeps an active
    load until it is completed or cancelled. Raises `NotFound`, `Conflict` `license_number_taken`.
    """
    with transaction():
        driver = get_or_not_found(Driver, driver_id, Lock.CHANGE)
        for name, value in changes.items():
            setattr(driver, name, value)
    return driver


def list_drivers(
    limit: int,
    cursor: int | None = None,
    status: str | None = None,
    available: bool | None = None,
) -> Page:
    """Drivers, newest first; `available` ones are active and have no active load."""
    query = select(Driver)
    if status is not None:
        query = query.where(Driver.status == status)
    if available is not None:
        busy = exists().where(
            Assignment.driver_id == Driver.id,
            Assignment.status == AssignmentStatus.ASSIGNED.value,
        )
        is_available = (Driver.status == DriverStatus.ACTIVE) & ~busy
        query = query.where(is_available if available else ~is_available)
    return paginate(query, Driver.id, cursor, limit)
