"""`transaction()`, alone and nested: atomicity, and callbacks after the commit."""

from collections.abc import Callable

import pytest
from sqlalchemy import select

from billor.database import after_commit, transaction
from billor.errors import Conflict, Unavailable
from billor.models import Driver, db
from tests.support.commits import lost_answers

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


def test_a_nested_transaction_is_committed_with_the_outer_one():
    with transaction():
        add("A")
        with transaction():
            add("B")
            with transaction():
                add("C")
        assert committed() == []
        add("D")
    assert committed() == ["A", "B", "C", "D"]


def fail(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize(
    "error",
    [RuntimeError(), Conflict("email_taken"), KeyboardInterrupt()],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("depth", [1, 3])
def test_an_error_at_any_depth_rolls_back_everything(error, depth):
    def run(depth: int) -> None:
        with transaction():
            add(f"Before {depth}")
            db.session.flush()
            run(depth - 1) if depth > 1 else fail(error)

    with pytest.raises(type(error)) as raised:
        run(depth)
    assert raised.value is error
    assert committed() == []


def test_a_constraint_violation_is_a_conflict_and_undoes_everything():
    def run() -> None:
        with transaction():
            add("A", "TX-1")
            with transaction():
                add("B", "TX-1")

    with pytest.raises(Conflict, match="license number"):
        run()
    assert committed() == []


def test_callbacks_are_called_once_each_after_the_outermost_commit(tell, called):
    with transaction():
        after_commit(tell)
        with transaction():
            add("A")
            after_commit(tell)
            after_commit(lambda: called.append("another"))
        assert called == []
        add("B")
        after_commit(tell)
    assert called == ["A B", "another"]


def test_callbacks_of_a_rolled_back_transaction_are_never_called(tell, called):
    def run() -> None:
        with transaction():
            after_commit(tell)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        run()
    with transaction():
        add("A")
    assert called == []
    assert committed() == ["A"]


def test_a_lost_commit_answer_still_calls_the_callbacks(monkeypatch, tell, called):
    def run() -> None:
        with transaction():
            after_commit(tell)
            add("A")

    with lost_answers(monkeypatch), pytest.raises(Unavailable):
        run()
    assert called == ["A"]
    with transaction():
        add("B")
    assert called == ["A"], "once, and not again with the next"
    assert committed() == ["A", "B"]
