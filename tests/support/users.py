"""Users that a test begins with."""

from functools import cache

from sqlalchemy import delete

from billor.database import transaction
from billor.models import LoadEvent, Role, User, db
from billor.users.passwords import hash_password
from billor.users.service import create_user


def make_user(
    name: str,
    email: str,
    password: str | None = None,
    role: Role = Role.ADMIN,
    driver_id: int | None = None,
) -> User:
    """Create a user without an event, for tests that count those of loads.

    A password is hashed once for all tests.
    """
    user = create_user(name, email, None, role, driver_id=driver_id)
    with transaction():
        user.password_hash = _hash(password) if password else None
        db.session.execute(delete(LoadEvent).where(LoadEvent.user_id == user.id))
    return user


_hash = cache(hash_password)
