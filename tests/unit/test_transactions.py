"""`transaction()`, alone and nested: atomicity, and callbacks after the commit."""

from collections.abc import Callable

import pytest
from sqlalchemy import select

from billor.database import after_commit, transaction
from billor.models import Driver, db

pytestmark = pytest.mark.usefixtures("context")


def add(name: str, license_number: str | None = None) -> None:
    db.session.add(Driver(name=name, license_number=license_number or name))


def committed() -> list[str]:
    """The names of the committed drivers."""
    with db.engine.connect() as connection:
        return list(connection.scalars(select(Driver.name).order_by(Driver.id)))


@pytest.fixture
def called() -> list[str]:
    return []


@pytest.fixture
def tell(called) -> Callable[[], None]:
    """A callback that records the committed drivers."""
    return lambda: called.append(" ".join(committed()))


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_error_at_any_depth_rolls_back_everything_and_calls_nothing(error, tell, called):
    def run(depth: int) -> None:
        with transaction():
            after_commit(tell)
            add(f"Before {depth}")
            db.session.flush()
            if not depth:
                raise error
            run(depth - 1)

    with pytest.raises(error):
        run(2)
    with transaction():
        add("After")
    assert (committed(), called) == (["After"], [])


def test_callbacks_are_called_once_each_after_the_outermost_commit(tell, called):
    with transaction():
        after_commit(tell)
        with transaction():
            add("A")
            after_commit(tell)
            after_commit(lambda: called.append("another"))
        assert called == committed() == []
        add("B")
        after_commit(tell)
    assert called == ["A B", "another"]
