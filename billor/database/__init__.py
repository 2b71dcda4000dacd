"""PostgreSQL: engine options, transactions, locks, and the mapping of its errors to ours."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar, cast

from flask import Flask, current_app
from psycopg2 import errors as postgres
from sqlalchemy import CursorResult, Engine, Executable, Select, Table, bindparam, select
from sqlalchemy import Row as SqlRow
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from billor.errors import BillorError, Conflict, NotFound, Unavailable
from billor.models import Base, db

REFUSED_BY_CONSTRAINTS: dict[str, Callable[[], BillorError]] = {
    "uq_drivers_license_number": partial(Conflict, "license_number_taken"),
    "uq_assignments_active_driver": partial(Conflict, "driver_already_assigned"),
    "uq_assignments_active_load": partial(Conflict, "load_already_assigned"),
    "uq_assignments_planned_driver": partial(Conflict, "driver_already_planned"),
    "uq_assignments_current_load": partial(Conflict, "load_already_planned"),
    # The current user was deleted in the meantime.
    "fk_idempotency_keys_user_id": partial(BillorError, "token_invalid"),
}
MIGRATIONS = Path(__file__).parents[2] / "migrations"
CONNECT_SECONDS = 3
CONNECT_ARGS = {
    "connect_timeout": CONNECT_SECONDS,
    "application_name": "billor",
    # Detects a vanished server within a minute.
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
ENGINE_OPTIONS = {
    "max_overflow": 0,
    "pool_timeout": 10,  # in a burst
    "pool_pre_ping": True,
    "hide_parameters": True,
    "connect_args": CONNECT_ARGS,
}
TRY_AGAIN = (postgres.DeadlockDetected, postgres.LockNotAvailable, postgres.QueryCanceled)

SESSION_SETTINGS = {"timezone": "UTC", "statement_timeout": "15s", "lock_timeout": "5s"}
"""Limits of every statement and lock. migrations/env.py sets them as defaults of the role, since a
transaction pooler shares sessions, and a change would leak into others."""

AFTER_COMMIT = "after_commit"
"""The key in the session's info for the callbacks of the transaction, each called once."""

AT_END = "at_end"
"""The key in the session's info for the statements to run at the transaction's end, with rows."""

Row = TypeVar("Row", bound=Base)
Check = Callable[[Any], None]
"""Gets a row that is locked and unchanged, and may raise to leave it so."""


def init_database(app: Flask) -> Engine:
    db.init_app(app)
    app.teardown_appcontext(_close_session)
    with app.app_context():
        return db.engine


def init_migrations(app: Flask) -> None:
    # Imported on use: a server never needs Alembic, starts faster, and takes 12 MB less.
    from flask_migrate import Migrate

    Migrate(app, db, directory=str(MIGRATIONS))


def upgrade() -> None:
    """Run the pending migrations of the app's database. Needs an application context."""
    import flask_migrate

    init_migrations(current_app._get_current_object())  # type: ignore[attr-defined]
    flask_migrate.upgrade()


def _close_session(_error: BaseException | None) -> None:
    """Close the session before Flask-SQLAlchemy does, which fails on a lost connection."""
    try:
        db.session.close()
    except SQLAlchemyError:
        db.session().invalidate()


@contextmanager
def transaction() -> Iterator[None]:
    """Run the block as one transaction: commit at its end, roll back if it raises.

    A nested transaction is part of the outer one. PostgreSQL's errors become ours.
    """
    try:
        if AFTER_COMMIT in db.session.info:
            yield
            db.session.flush()
        else:
            with _committed():
                yield
    except SQLAlchemyError as error:
        if refusal := from_database_error(error):
            raise refusal from error
        raise


@contextmanager
def _committed() -> Iterator[None]:
    callbacks: dict[Callable[[], None], None] = {}
    statements: dict[Executable, list[dict[str, Any]]] = {}
    info = db.session.info
    info[AFTER_COMMIT], info[AT_END] = callbacks, statements
    committing = False
    try:
        yield
        db.session.flush()
        execute_pending()
        committing = True
        db.session.commit()
    except BaseException:
        roll_back()
        raise
    finally:
        del info[AFTER_COMMIT], info[AT_END]
        if committing:  # committed, even if the response was lost
            for callback in callbacks:
                callback()


def roll_back() -> None:
    """Roll the session's transaction back, if it is in one."""
    try:
        db.session.rollback()
    except SQLAlchemyError:  # the connection is lost, and PostgreSQL itself rolls back
        db.session().invalidate()


def after_commit(callback: Callable[[], None]) -> None:
    """Call `callback` once after the current transaction has, or may have, committed."""
    db.session.info[AFTER_COMMIT][callback] = None


def execute_at_end(statement: Executable, row: dict[str, Any]) -> None:
    """Run a statement for tables at the end of the caller's transaction, once for all its rows."""
    db.session.info[AT_END].setdefault(statement, []).append(row)


def execute_pending() -> None:
    """Run the statements of `execute_at_end` now, for who needs their rows."""
    statements = db.session.info[AT_END]
    for statement, rows in statements.items():
        execute(statement, rows)
    statements.clear()


def get_or_not_found(model: type[Row], id_: int, **options: Any) -> Row:
    """Return the row with this id; `options` are those of `Session.get`. Raises `NotFound`."""
    row = db.session.get(model, id_, **options)
    if row is None:
        raise NotFound(model.__name__, id_)
    return row


def unchecked(_row: Any) -> None:
    """Accept every row: the default `Check`."""


def lock(model: type[Row], id_: int, check: Check = unchecked) -> Row:
    """Return the current row, locked until the transaction ends. Raises `NotFound`.

    To avoid deadlocks, lock drivers before loads before assignments, and rows of a table by id.
    """
    # A key share lock does not block foreign keys.
    row = get_or_not_found(model, id_, populate_existing=True, with_for_update={"key_share": True})
    check(row)
    return row


def lock_in_table(model: type[Base], id_: int) -> SqlRow:
    """Return the row past the session, locked as `lock` does. Raises `NotFound`."""
    row = execute(_locking(model), {"id": id_}).one_or_none()
    if row is None:
        raise NotFound(model.__name__, id_)
    return row


@cache
def _locking(model: type[Base]) -> Select:
    rows = table(model)
    return select(rows).where(rows.c.id == bindparam("id")).with_for_update(key_share=True)


def lock_all(model: type[Row], ids: Collection[int]) -> dict[int, Row]:
    """Lock the rows that exist, in the order of ids, and return them by id."""
    id_: Any = model.id  # type: ignore[attr-defined]
    rows = select(model).where(id_.in_(ids)).order_by(id_).with_for_update(key_share=True)
    options = {"populate_existing": True}
    return {row.id: row for row in db.session.scalars(rows, execution_options=options)}  # type: ignore[attr-defined]


def change(row: Base, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Set attributes of a row; return the previous values of those that changed."""
    before = {
        name: getattr(row, name) for name, value in changes.items() if getattr(row, name) != value
    }
    for name in before:
        setattr(row, name, changes[name])
    return before


@contextmanager
def long_waits_refused_as(refusal: BillorError) -> Iterator[None]:
    """Raise `refusal` if a statement of the block reaches the `lock_timeout`."""
    try:
        yield
    except OperationalError as error:
        if isinstance(error.orig, postgres.LockNotAvailable):
            raise refusal from error
        raise


def from_database_error(error: SQLAlchemyError) -> BillorError | None:
    """Return the error that a client gets for a database error, or None for a bug."""
    if isinstance(error, PoolTimeout):
        return Unavailable("database_busy")
    if not isinstance(error, DBAPIError):
        return None
    if isinstance(error, IntegrityError):
        refuse = REFUSED_BY_CONSTRAINTS.get(violated_constraint(error))
        return refuse() if refuse else None
    if isinstance(error.orig, TRY_AGAIN):
        return Unavailable("database_busy")
    if isinstance(error, OperationalError) or error.connection_invalidated:
        return Unavailable("database_unavailable")
    return None


def violated_constraint(error: IntegrityError) -> str:
    """Return the name of the violated constraint or unique index."""
    diagnosis = getattr(error.orig, "diag", None)
    return (diagnosis and diagnosis.constraint_name) or ""


def without_values(error: SQLAlchemyError) -> Exception:
    """Return an error to log without the values of rows, which may be secrets."""
    cause = getattr(error, "orig", None) or error
    diagnosis = getattr(cause, "diag", None)
    what = diagnosis and (diagnosis.sqlstate, diagnosis.table_name, diagnosis.constraint_name)
    return RuntimeError(f"{type(cause).__name__} {what or ''}").with_traceback(error.__traceback__)


def table(model: type[Base]) -> Table:
    """Return the model's table, for `execute`."""
    return cast(Table, model.__table__)


def execute(statement: Executable, parameters: Any = None) -> CursorResult:
    """Run a statement on tables in the current transaction, bypassing the session."""
    return db.session.connection().execute(statement, parameters)
