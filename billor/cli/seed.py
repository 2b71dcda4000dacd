"""Demo data: a user to log in as, drivers and loads. Seeding again is safe."""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import func, select

from billor.config import DEFAULT_DEMO_PASSWORD, Config, ConfigError
from billor.drivers.service import create_drivers
from billor.extensions import db
from billor.loads.service import create_loads
from billor.models import Driver, Load
from billor.roles import Role
from billor.users.passwords import password_matches
from billor.users.service import create_user, find_user, set_password

# Rows per commit. A killed run leaves whole chunks, and the next run continues.
CHUNK_ROWS = 1000

DRIVERS = [
    ("Alex Carter", "TX-1000001"),
    ("Brianna Lopez", "TX-1000002"),
    ("Chen Wei", "OK-1000003"),
]
LOADS = [
    ("Dallas, TX", "Atlanta, GA", "Refrigerated"),
    ("Houston, TX", "Chicago, IL", "Dry van"),
    ("Laredo, TX", "Denver, CO", "Flatbed"),
    ("Memphis, TN", "Miami, FL", "Dry van"),
]
# When they are picked up: the first one should have been.
PICKUPS_IN_HOURS = [-3, 5, 22, 46]

# Further drivers and loads are combined from these.
FIRST_NAMES = [
    *("Aaron", "Ana", "Andre", "Angela", "Ben", "Carla", "Carlos", "Dale", "Denise", "Diego"),
    *("Elena", "Eric", "Fatima", "Gloria", "Hank", "Ines", "Jamal", "Joan", "Jorge", "Karen"),
    *("Kofi", "Lena", "Luis", "Mai", "Marcus", "Maria", "Nadia", "Omar", "Paula", "Rosa", "Sam"),
    *("Tina", "Victor"),
]
LAST_NAMES = [
    *("Adams", "Alvarez", "Baker", "Brooks", "Castillo", "Chen", "Clark", "Cruz", "Diaz"),
    *("Evans", "Flores", "Garcia", "Gray", "Green", "Hall", "Hill", "Jackson", "Johnson", "Kim"),
    *("Lee", "Lewis", "Long", "Martin", "Moore", "Morgan", "Nguyen", "Ortiz", "Patel", "Perez"),
    *("Price", "Reed", "Rivera", "Ross", "Scott", "Silva", "Smith", "Stone", "Turner", "Walker"),
    *("Ward", "White", "Young"),
]
CITIES = [
    *("Albuquerque, NM", "Atlanta, GA", "Austin, TX", "Baltimore, MD", "Birmingham, AL"),
    *("Boise, ID", "Boston, MA", "Charlotte, NC", "Chicago, IL", "Cincinnati, OH"),
    *("Cleveland, OH", "Columbus, OH", "Dallas, TX", "Denver, CO", "Des Moines, IA"),
    *("Detroit, MI", "El Paso, TX", "Fresno, CA", "Houston, TX", "Indianapolis, IN"),
    *("Jacksonville, FL", "Kansas City, MO", "Laredo, TX", "Las Vegas, NV", "Little Rock, AR"),
    *("Los Angeles, CA", "Louisville, KY", "Memphis, TN", "Miami, FL", "Milwaukee, WI"),
    *("Minneapolis, MN", "Nashville, TN", "Newark, NJ", "Oklahoma City, OK", "Omaha, NE"),
    *("Philadelphia, PA", "Phoenix, AZ", "Portland, OR", "Reno, NV", "Richmond, VA"),
    *("Sacramento, CA", "Salt Lake City, UT", "San Antonio, TX", "Savannah, GA", "Seattle, WA"),
    *("Spokane, WA", "St. Louis, MO", "Tampa, FL", "Tulsa, OK", "Wichita, KS"),
]
CARGO_TYPES = [
    *("Dry van", "Refrigerated", "Flatbed", "Step deck", "Tanker", "Intermodal container"),
    *("Car hauler", "Dry bulk", "Livestock", "Heavy haul", "Hazardous materials"),
]

Row = dict[str, Any]
# Shows progress: takes a name and a total; gives a function that takes each chunk's size.
Progress = Callable[[str, int], AbstractContextManager[Callable[[int], Any]]]


class SeedRefused(ConfigError):
    """The demo user would have the publicly known default password."""


@contextmanager
def _no_progress(_name: str, _count: int) -> Iterator[Callable[[int], None]]:
    yield lambda _made: None


def seed_database(
    config: Config,
    drivers: int | None = None,
    loads: int | None = None,
    progress: Progress = _no_progress,
) -> dict[str, int]:
    """Create the demo user, drivers and loads; return how many of each were created.

    `drivers` and `loads` are the totals to reach. None creates a few if there are none. A few loads
    are overdue, and most are to be picked up within days from now.

    Raises `SeedRefused` for the default password in production.
    """
    if config.is_production and config.demo_password == DEFAULT_DEMO_PASSWORD:
        raise SeedRefused("DEMO_PASSWORD is not set, and the default is refused in production.")
    return {
        "users": _seed_user(config.demo_email, config.demo_password),
        "drivers": _seed_table(
            Driver, create_drivers, _driver, _missing(Driver, drivers, len(DRIVERS)), progress
        ),
        "loads": _seed_table(
            Load,
            create_loads,
            partial(_load, now=datetime.now(UTC)),
            _missing(Load, loads, len(LOADS)),
            progress,
        ),
    }


def _seed_user(email: str, password: str) -> int:
    user = find_user(email)
    if user is None:
        create_user("Demo Dispatcher", email, password, Role.ADMIN)
        return 1
    # A configured password must replace the publicly known one, and no other: somebody has set it.
    is_default = password_matches(user.password_hash, DEFAULT_DEMO_PASSWORD)
    if is_default and password != DEFAULT_DEMO_PASSWORD:
        set_password(user.id, password)
    return 0


def _missing(model: type[Driver] | type[Load], wanted: int | None, first: int) -> int:
    if wanted is None:
        return 0 if db.session.scalar(select(model.id).limit(1)) else first
    return max(0, wanted - db.session.scalars(select(func.count()).select_from(model)).one())


def _seed_table(
    model: type[Driver] | type[Load],
    create: Callable[[Sequence[Row]], object],
    make_row: Callable[[int], Row],
    count: int,
    progress: Progress,
) -> int:
    # Continue after the highest id, which no number used before exceeds: license numbers derive
    # from it and must be unique.
    start = 1 + (db.session.scalar(select(func.max(model.id))) or 0)
    with progress(model.__tablename__, count) as advance:
        for first in range(start, start + count, CHUNK_ROWS):
            numbers = range(first, min(first + CHUNK_ROWS, start + count))
            create([make_row(number) for number in numbers])
            advance(len(numbers))
    return count


def _driver(number: int) -> Row:
    if number <= len(DRIVERS):
        name, license_number = DRIVERS[number - 1]
    else:
        chosen = _chooser(number)
        name = f"{chosen.choice(FIRST_NAMES)} {chosen.choice(LAST_NAMES)}"
        license_number = f"{chosen.choice(CITIES)[-2:]}-{10_000_000 + number}"
    return {"name": name, "license_number": license_number}


def _load(number: int, now: datetime) -> Row:
    chosen = _chooser(number)
    if number <= len(LOADS):
        origin, destination, cargo_type = LOADS[number - 1]
        hours = PICKUPS_IN_HOURS[number - 1]
    else:
        origin, destination = chosen.sample(CITIES, 2)
        cargo_type = chosen.choice(CARGO_TYPES)
        hours = chosen.randint(-10, 90)
    pickup_at = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=hours)
    return {
        "origin": origin,
        "destination": destination,
        "cargo_type": cargo_type,
        "pickup_at": pickup_at,
        "deliver_by": pickup_at + timedelta(hours=chosen.randint(12, 60)),
    }


def _chooser(number: int) -> random.Random:
    """Return a generator seeded with the number: the same number makes the same row."""
    return random.Random(number)  # noqa: S311 - nothing secret
