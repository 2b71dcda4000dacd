"""Business rules of drivers."""

from collections.abc import Collection
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask import current_app
from sqlalchemy import ScalarSelect, and_, case, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import joinedload

from billor.database import Check, change, execute, lock, lock_all, table, transaction, unchecked
from billor.database.keyset import Page, Position, paginate
from billor.database.unique import Unique
from billor.drivers.schemas import DriverSchema
from billor.events.event import EventType
from billor.events.outbox import record
from billor.models import Assignment, Driver, DriverStatus, Load, PaperWarning, db

LICENSE_NUMBER = Unique(
    Driver.license_number, func.canonical_key, "uq_drivers_license_number", "license_number_taken"
)
IS_AVAILABLE = and_(Driver.status == DriverStatus.ACTIVE, ~Driver.has_load)
PAPERS = {"license": Driver.license_expires_on, "medical": Driver.medical_expires_on}
WARNED_BEFORE = (0, 7, 30, 60)  # how many days before a paper expires the worker warns of it

_schema = DriverSchema()


def create_driver(name: str, license_number: str, **others: Any) -> Driver:
    """Create a driver with these and other attributes."""
    driver = Driver(name=name, license_number=license_number, **others)
    with transaction():
        with LICENSE_NUMBER.checked(license_number):
            db.session.add(driver)
        record(EventType.DRIVER_CREATED, {"driver": _schema.dump(driver)}, driver_id=driver.id)
    return driver


def update_driver(driver_id: int, check: Check = unchecked, **changes: Any) -> Driver:
    """Change attributes of a driver. An INACTIVE driver keeps the active load."""
    with transaction():
        driver = lock(Driver, driver_id, check)
        with LICENSE_NUMBER.checked(changes.get("license_number"), driver_id):
            before = change(driver, changes)
        if before.keys() & {"name", "license_number"}:
            _update_searches(driver)
        if before:
            payload = {"driver": _schema.dump(driver), "before": _schema.dump(before)}
            record(EventType.DRIVER_UPDATED, payload, driver_id=driver_id)
    return driver


def today() -> date:
    """Return the date in TIME_ZONE, or in UTC."""
    return datetime.now(ZoneInfo(current_app.config["BILLOR"].zone_of_days)).date()


def warn_of_papers() -> None:
    """Record an event for each paper that is about to expire, at the last of `WARNED_BEFORE`."""
    day = today()
    for paper, column in PAPERS.items():
        reached = case(*((column <= day + timedelta(days), days) for days in WARNED_BEFORE))
        due = (
            select(Driver.id, literal(paper), column, reached)
            .where(Driver.status == DriverStatus.ACTIVE, reached.is_not(None))
            .order_by(Driver.id)
        )
        add = insert(PaperWarning).from_select([*table(PaperWarning).c], due)
        new = add.on_conflict_do_nothing().returning(
            PaperWarning.driver_id, PaperWarning.expires_on
        )
        with transaction():
            dates = {row.driver_id: row.expires_on for row in execute(new)}
            for driver in lock_all(Driver, dates).values():
                expires_on = dates[driver.id]
                payload = {
                    "driver": _schema.dump(driver),
                    "paper": paper,
                    "expiresOn": expires_on.isoformat(),
                    "days": (expires_on - day).days,
                }
                record(EventType.PAPERS_EXPIRE, payload, driver_id=driver.id)


def words_of(driver_id: Any) -> ScalarSelect[str]:
    """Return the words that searches find a driver's loads by."""
    words = Driver.name + " " + Driver.license_number
    return select(words).where(Driver.id == driver_id).scalar_subquery()


def _update_searches(driver: Driver) -> None:
    """Have the driver's loads found by the new words. They count as unchanged."""
    loads = select(Load.id).join(Load.assignment).where(Assignment.driver_id == driver.id)
    ids = db.session.scalars(loads.order_by(Load.id).with_for_update(key_share=True, of=Load)).all()
    words = {"driver_words": words_of(driver.id), "updated_at": Load.updated_at}
    execute(update(Load).where(Load.id.in_(ids)).values(words))


def list_drivers(
    limit: int,
    cursor: Position | None = None,
    status: Collection[str] = (),
    available: bool | None = None,
    license_number: str | None = None,
    q: str | None = None,
    expand: Collection[str] = (),
) -> Page:
    """Return a page of drivers, newest first; `available`: ACTIVE, and without an active load."""
    query = select(Driver)
    if status:
        query = query.where(Driver.status.in_(status))
    if available is not None:
        query = query.where(IS_AVAILABLE if available else ~IS_AVAILABLE)
    if license_number is not None:
        query = query.where(LICENSE_NUMBER.equals(license_number))
    current = (Driver.assignment, Driver.planned) if expand else ()
    related = [joinedload(assignment).joinedload(Assignment.load) for assignment in current]
    return paginate(query, [Driver.id], limit, cursor, q=q, related=related)
