"""Business rules of drivers."""

from collections.abc import Callable, Collection, Mapping, Sequence

from sqlalchemy import and_, bindparam, false, or_, select

from billor.database import get_or_not_found, transaction, update_row, values_before
from billor.drivers import outbox
from billor.keyset import Page, Position, paginate, paginate_matching
from billor.locking import LockingQuery
from billor.models import Assignment, Driver, DriverStatus, canonical_key
from billor.search import has_words
from billor.uniqueness import Unique

LOCK_DRIVER = LockingQuery([Driver], Driver.id == bindparam("driver_id"))
LICENSE_NUMBER = Unique(
    Driver.license_number, canonical_key, "uq_drivers_license_number", "license_number_taken"
)
# Status and availability of drivers. Each combination is an index.
GROUPS = {
    (DriverStatus.ACTIVE, True): (Driver.status == DriverStatus.ACTIVE, ~Driver.has_load),
    (DriverStatus.ACTIVE, False): (Driver.status == DriverStatus.ACTIVE, Driver.has_load),
    (DriverStatus.INACTIVE, False): (Driver.status == DriverStatus.INACTIVE,),
}


def create_driver(name: str, license_number: str, status: str = DriverStatus.ACTIVE) -> Driver:
    """Create a driver. Raises `Taken` `license_number_taken`."""
    fields = {"name": name, "license_number": license_number, "status": status}
    return create_drivers([fields])[0]


def create_drivers(rows: Sequence[Mapping[str, str]]) -> list[Driver]:
    """Create drivers in bulk, all or none; a row has the arguments of `create_driver`.

    Raises `Taken` `license_number_taken`.
    """
    with transaction():
        drivers = LICENSE_NUMBER.insert(rows)
        outbox.record_created(drivers)
    return drivers


def get_driver(driver_id: int) -> Driver:
    """Return a driver. Raises `NotFound`."""
    return get_or_not_found(Driver, driver_id)


def update_driver(
    driver_id: int, check: Callable[[Driver], None] | None = None, **changes: str
) -> Driver:
    """Change `name`, `license_number` or `status`.

    A driver who becomes INACTIVE keeps an active load until it is completed or cancelled.
    `check` gets the unchanged driver and may raise.

    Raises `NotFound`, `Taken` `license_number_taken`, and what `check` raises.
    """
    if "status" in changes:
        changes["status"] = DriverStatus(changes["status"])
    with transaction():
        driver, _ = LOCK_DRIVER.rows(driver_id=driver_id)
        if check is not None:
            check(driver)
        before = values_before(driver, changes)
        if before:
            with LICENSE_NUMBER.named_if_taken(changes.get("license_number")):
                update_row(driver, {name: changes[name] for name in before})
            outbox.record_updated(driver, before)
    return driver


def list_drivers(
    limit: int,
    cursor: Position | None = None,
    status: Collection[str] = (),
    available: bool | None = None,
    license_number: str | None = None,
    q: str | None = None,
    expand: Collection[str] = (),
) -> Page:
    """Return a page of drivers, newest first; `available`: ACTIVE and without an active load.

    `q` has words, each of which begins one of the name or the license number. `expand` may be
    `assignment`: the active one, with its load, or None.
    """
    query = select(Driver)
    if license_number is not None:
        query = query.where(LICENSE_NUMBER.equals(license_number))
    groups = [
        and_(*conditions)
        for (its_status, is_available), conditions in GROUPS.items()
        if its_status in (status or DriverStatus) and available in (None, is_available)
    ]
    queries = [query.where(group) for group in groups]
    if len(groups) == len(GROUPS):
        queries = [query]
    order, related = [Driver.id], [[Driver.assignment, Assignment.load]] if expand else []
    if q is None:
        return paginate(queries, order, cursor, limit, related=related)
    by_index = query.where(or_(false(), *groups), has_words(Driver, q))
    return paginate_matching(
        queries, order, cursor, limit, lambda row: [has_words(row, q)], by_index, related=related
    )
