"""Users that a test begins with."""

from sqlalchemy import delete

from billor.database import transaction
from billor.models import LoadEvent, Role, User, db
from billor.users.service import create_user


def make_user(
    name: str,
    email: str,
    password: str | None = None,
    role: Role = Role.ADMIN,
    driver_id: int | None = None,
) -> User:
    """Create a user without an event, for tests that count those of loads."""
    with transaction():
        user = create_user(name, email, password, role, driver_id)
        db.session.execute(delete(LoadEvent).where(LoadEvent.user_id == user.id))
    return user
