"""Demo data: a user to log in as, and some drivers and loads. May be made again and again."""

from collections.abc import Callable, Sequence

from sqlalchemy import func, select

from billor.auth.passwords import hash_password, password_matches
from billor.config import DEFAULT_DEMO_PASSWORD, Config
from billor.database import transaction
from billor.drivers.service import create_driver
from billor.extensions import Base, db
from billor.loads.service import create_load
from billor.models import Driver, Load, User
from billor.users.service import create_user

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


class SeedRefused(Exception):
    """The demo user would have a password that everybody knows."""


def seed_database(config: Config) -> dict[str, int]:
    """Make the demo user, with the password that is set, and drivers and loads where there are
    none; tell how many of each.

    Raises `SeedRefused` for the default password in production.
    """
    if config.is_production and config.demo_password == DEFAULT_DEMO_PASSWORD:
        raise SeedRefused("DEMO_PASSWORD is not set, and the default is refused in production.")
    return {
        "users": _seed_user(config.demo_email, config.demo_password),
        "drivers": _seed_table(Driver, create_driver, DRIVERS),
        "loads": _seed_table(Load, create_load, LOADS),
    }


def _seed_user(email: str, password: str) -> int:
    user = db.session.scalar(select(User).where(func.lower(User.email) == func.lower(email)))
    if user is None:
        create_user("Demo Dispatcher", email, password)
        return 1
    # Whoever sets a better password must not be left with the one that everybody knows.
    if not password_matches(user.password_hash, password):
        with transaction():
            user.password_hash = hash_password(password)
    return 0


def _seed_table(model: type[Base], create: Callable, rows: Sequence[tuple[str, ...]]) -> int:
    if db.session.scalar(select(model.id).limit(1)):
        return 0
    for row in rows:
        create(*row)
    return len(rows)
