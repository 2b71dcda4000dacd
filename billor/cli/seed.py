"""Demo data: a user to log in as, drivers and loads. Seeding again is safe."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, select

from billor.config import DEFAULT_DEMO_PASSWORD, Config, ConfigError
from billor.database import transaction
from billor.drivers.service import create_driver, today
from billor.loads.service import create_loads
from billor.models import Driver, Load, Role, db
from billor.users.passwords import password_matches
from billor.users.service import create_user, find_user, update_user

CHUNK_ROWS = 1000  # per commit: a killed run leaves whole chunks

DRIVERS = [
    ("Alex Carter", "TX-1000001"),
    ("Brianna Lopez", "TX-1000002"),
    ("Chen Wei", "OK-1000003"),
]
LOADS = [
    ("Dallas, TX", "Atlanta, GA", "Refrigerated", -3),
    ("Houston, TX", "Chicago, IL", "Dry van", 5),
    ("Laredo, TX", "Denver, CO", "Flatbed", 22),
    ("Memphis, TN", "Miami, FL", "Dry van", 46),
]
"""Each with the hours until its pickup: the first one should have been picked up."""
DETAILS = {
    "pickup_contact": "Shipping office",
    "pickup_phone": "+12145550123",
    "delivery_contact": "Receiving, dock 4",
    "delivery_phone": "+14045550187;ext=12",
    "notes": "Check in at gate 2.\nCall the receiver an hour before.",
}
"""Of each of these."""

# Further drivers and loads are combined from these.
FIRST_NAMES = "Aaron Ana Ben Carla Dale Elena Fatima Hank Ines Jamal Kofi Luis Mai Nadia Omar Rosa"
LAST_NAMES = "Adams Baker Chen Diaz Evans Garcia Hill Jackson Kim Lopez Patel Ross Smith Young"
CITIES = [
    *("Albuquerque, NM", "Atlanta, GA", "Boise, ID", "Boston, MA", "Charlotte, NC", "Chicago, IL"),
    *("Memphis, TN", "Nashville, TN", "Oakland, CA", "Omaha, NE", "Phoenix, AZ", "Portland, OR"),
]
CARGO_TYPES = ["Dry van", "Refrigerated", "Flatbed", "Step deck", "Tanker", "Car hauler"]

Row = dict[str, Any]


def seed_database(
    config: Config, drivers: int | None = None, loads: int | None = None
) -> dict[str, int]:
    """Create the demo user, and drivers and loads up to these totals; return how many of each."""
    if config.is_production and config.demo_password == DEFAULT_DEMO_PASSWORD:
        raise ConfigError("DEMO_PASSWORD is not set, and the default is refused in production.")
    counts = {
        "users": _seed_user(config.demo_email, config.demo_password),
        "drivers": _missing(Driver, drivers, len(DRIVERS)),
        "loads": _missing(Load, loads, len(LOADS)),
    }
    for chunk in _chunks(Driver, counts["drivers"]):
        with transaction():
            for number in chunk:
                create_driver(**_driver(number))
    for chunk in _chunks(Load, counts["loads"]):
        create_loads([_load(number) for number in chunk])
    return counts


def _seed_user(email: str, password: str) -> int:
    user = find_user(email)
    if user is None:
        create_user("Demo Dispatcher", email, password, Role.ADMIN)
        return 1
    # A configured password replaces the publicly known one, but not one that a person has set.
    is_default = password_matches(user.password_hash, DEFAULT_DEMO_PASSWORD)
    if is_default and password != DEFAULT_DEMO_PASSWORD:
        update_user(user.id, password=password)
    return 0


def _missing(model: type[Driver] | type[Load], wanted: int | None, first: int) -> int:
    if wanted is None:
        return 0 if db.session.scalar(select(model.id).limit(1)) else first
    return max(0, wanted - db.session.scalars(select(func.count()).select_from(model)).one())


def _chunks(model: type[Driver] | type[Load], count: int) -> Iterator[range]:
    """Yield the numbers of new rows. License numbers have them, so they begin after all ids."""
    start = 1 + (db.session.scalar(select(func.max(model.id))) or 0)
    for first in range(start, start + count, CHUNK_ROWS):
        yield range(first, min(first + CHUNK_ROWS, start + count))


def _driver(number: int) -> Row:
    chosen = random.Random(number)  # noqa: S311 - the same number makes the same row
    if number <= len(DRIVERS):
        name, license_number = DRIVERS[number - 1]
    else:
        name = f"{chosen.choice(FIRST_NAMES.split())} {chosen.choice(LAST_NAMES.split())}"
        license_number = f"{chosen.choice(CITIES)[-2:]}-{10_000_000 + number}"
    first, last = name.lower().split()
    return {
        "name": name,
        "license_number": license_number,
        "phone": f"+1214555{100 + number % 100:04}",  # nobody has these numbers
        "email": f"{first}.{last}@example.com",
        "license_expires_on": today() + timedelta(days=chosen.randint(90, 1400)),
        "medical_expires_on": today() + timedelta(days=20 if number == 2 else 400),
    }


def _load(number: int) -> Row:
    chosen = random.Random(number)  # noqa: S311
    if number <= len(LOADS):
        origin, destination, cargo_type, hours = LOADS[number - 1]
    else:
        origin, destination = chosen.sample(CITIES, 2)
        cargo_type = chosen.choice(CARGO_TYPES)
        hours = chosen.randint(-10, 90)
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    pickup_at = hour + timedelta(hours=hours)
    deliver_by = pickup_at + timedelta(hours=chosen.randint(12, 60))
    return (DETAILS if number <= len(LOADS) else {}) | {
        "origin": origin,
        "destination": destination,
        "cargo_type": cargo_type,
        "pickup_at": pickup_at,
        "pickup_to": pickup_at + timedelta(hours=2),
        "deliver_from": deliver_by - timedelta(hours=4),
        "deliver_by": deliver_by,
        "weight_kg": chosen.randrange(2_000, 20_000, 100),
        "equipment": "Reefer" if cargo_type == "Refrigerated" else cargo_type,
    }
