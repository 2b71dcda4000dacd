"""PostgreSQL: engine options, the transaction, and the one map from its errors to ours."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial
from typing import Any, TypeVar, cast

import psycopg2
from flask import Flask
from psycopg2 import errors as postgres
from psycopg2 import extensions
from sqlalchemy import (
    Column,
    CursorResult,
    Delete,
    Executable,
    String,
    Table,
    Text,
    Update,
    bindparam,
    event,
    func,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.engine import make_url
from sqlalchemy.exc import (
    DBAPIError,
    IntegrityError,
    InvalidatePoolError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.exc import (
    TimeoutError as PoolTimeout,
)
from sqlalchemy.pool import ConnectionPoolEntry

from billor.blocking import has_data
from billor.config import Config, ConfigError
from billor.errors import AuthenticationFailed, BillorError, Conflict, NotFound, Unavailable
from billor.extensions import Base, db
from billor.metrics import watch_connections
from billor.traces.spans import tracer
from billor.traces.statements import trace_statements

REFUSED_BY_CONSTRAINTS: dict[str, Callable[[], BillorError]] = {
    "uq_users_email": partial(Conflict, "email_taken"),
    "uq_drivers_license_number": partial(Conflict, "license_number_taken"),
    "uq_loads_reference_key": partial(Conflict, "reference_taken"),
    "uq_assignments_active_driver": partial(Conflict, "driver_already_assigned"),
    "uq_assignments_active_load": partial(Conflict, "load_already_assigned"),
    # The current user was deleted a moment ago.
    "fk_idempotency_keys_user_id": partial(AuthenticationFailed, "token_invalid"),
}
CONNECT_SECONDS = 3
TRY_AGAIN = (postgres.DeadlockDetected, postgres.LockNotAvailable, postgres.QueryCanceled)

AFTER_COMMIT = "after_commit"
"""In the session's info while it is in a transaction: what to call then, each once."""

# No statement or lock waits without end.
SESSION_SETTINGS = {"timezone": "UTC", "statement_timeout": "15s", "lock_timeout": "5s"}
# Not in a session that belongs to a pooler, which lends it to others.
SET_SESSION = """
    SELECT set_config(name, value, false)
    FROM unnest(%(names)s, %(values)s) AS setting (name, value)
    WHERE pg_backend_pid() = %(pid)s
"""

ALLOWED_CONNECTIONS = """
    SELECT sum(setting::int * CASE name WHEN 'max_connections' THEN 1 ELSE -1 END)::int
    FROM pg_settings
    WHERE name IN ('max_connections', 'superuser_reserved_connections', 'reserved_connections')
"""

DELETE_BATCH_SIZE = 1000
"""How many rows one statement of maintenance deletes or changes, so that locks are short."""

Row = TypeVar("Row", bound=Base)


def engine_options(config: Config) -> dict:
    """Return SQLAlchemy's engine options."""
    return {
        "pool_size": config.database_pool_size,
        "max_overflow": 0,
        "pool_timeout": 5,
        "hide_parameters": True,
        "connect_args": {
            "connect_timeout": CONNECT_SECONDS,
            "application_name": "billor",
            # A server that vanished without a word is given up within a minute.
            "keepalives_idle": 30,
            "keepalives_interval": 10,
            "keepalives_count": 3,
            "tcp_user_timeout": 30_000,
        },
    }


def check_connection_limit(config: Config) -> None:
    """Raise `ConfigError` if the API may open more connections than PostgreSQL allows.

    A PostgreSQL that is unavailable is not waited for: the API starts without it, too. Behind a
    pooler the limit is the pooler's, and not known here.
    """
    url = make_url(config.database_url).set(drivername="postgresql")
    try:
        connection = psycopg2.connect(
            url.render_as_string(hide_password=False), connect_timeout=CONNECT_SECONDS
        )
    except psycopg2.OperationalError:
        return
    with closing(connection), connection.cursor() as cursor:
        if is_pooled(connection):
            return
        cursor.execute(ALLOWED_CONNECTIONS)
        (allowed,) = cursor.fetchone()
    wanted = (config.web_workers + 1) * config.database_pool_size
    if wanted > allowed:
        raise ConfigError(
            f"WEB_WORKERS and the worker, with DATABASE_POOL_SIZE connections each, need {wanted}, "
            f"and PostgreSQL allows {allowed}: lower these settings or raise its max_connections."
        )


def init_database(app: Flask) -> None:
    """Bind the app to its database."""
    db.init_app(app)
    with app.app_context():
        event.listen(db.engine, "connect", _set_session)
        event.listen(db.engine, "checkout", _check_connection)
        watch_connections(db.engine)
        if app.config["BILLOR"].otel_exporter_otlp_endpoint:
            trace_statements(db.engine)
    app.teardown_appcontext(_close_session)


def is_pooled(connection: extensions.connection) -> bool:
    """Return whether a pooler is between us and PostgreSQL: its sessions are not ours to keep.

    A pooler answers with a process id of its own making.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone() != (connection.get_backend_pid(),)


def _set_session(connection: extensions.connection, _record: ConnectionPoolEntry) -> None:
    """Apply `SESSION_SETTINGS` to a new connection.

    They are no startup options, which poolers refuse. Behind one the sessions have them as their
    role's defaults: see migrations/env.py.
    """
    connection.autocommit = True
    values = {
        "names": [*SESSION_SETTINGS],
        "values": [*SESSION_SETTINGS.values()],
        "pid": connection.get_backend_pid(),
    }
    with connection.cursor() as cursor:
        cursor.execute(SET_SESSION, values)
    connection.autocommit = False


def _check_connection(connection: Any, record: ConnectionPoolEntry, _proxy: Any) -> None:
    """Replace a pooled connection that the server has closed, so that it costs nobody an error.

    A server that ends a connection says so at once; otherwise nothing arrives between statements.
    So no statement has to be sent to find out.
    """
    if record.info.get("used") and _has_ended(connection):
        raise InvalidatePoolError
    record.info["used"] = True


def _has_ended(connection: Any) -> bool:
    return connection.closed or connection.fileno() < 0 or has_data(connection.fileno())


def _close_session(_error: BaseException | None) -> None:
    """Close the session before Flask-SQLAlchemy does.

    Its own way fails on a lost connection, and takes an answer with it that was made before.
    """
    if not db.session.registry.has():
        return
    try:
        db.session.close()
    except SQLAlchemyError:
        db.session().invalidate()


@contextmanager
def transaction() -> Iterator[None]:
    """Run the block as one transaction: commit at its end, roll back if it raises.

    A transaction inside another is part of that one, which commits, and is rolled back with all
    of it: what it raises must not be caught in between.

    Raises `Conflict` where a constraint refuses, and `Unavailable` where PostgreSQL is unavailable.
    """
    info = db.session.info
    if AFTER_COMMIT in info:
        with _undone_by_errors():
            yield
            db.session.flush()
        return
    callbacks = info[AFTER_COMMIT] = {}
    committing = False
    try:
        with tracer().transaction(), _undone_by_errors():
            yield
            db.session.flush()
            committing = True
            db.session.commit()
    except BaseException:
        if committing:  # it may have been committed all the same, with the answer lost
            _call_all(callbacks)
        raise
    finally:
        info.pop(AFTER_COMMIT, None)
    _call_all(callbacks)


@contextmanager
def _undone_by_errors() -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        roll_back()
        refusal = from_database_error(error)
        if refusal is None:
            raise
        raise refusal from error
    except BaseException:
        roll_back()
        raise


def roll_back() -> None:
    """Roll the session's transaction back, if it is in one.

    What a lost connection has not committed is rolled back already.
    """
    try:
        db.session.rollback()
    except SQLAlchemyError:
        db.session().invalidate()


def after_commit(callback: Callable[[], None]) -> None:
    """Have `callback` called once after the caller's transaction has, or may have, committed."""
    db.session.info[AFTER_COMMIT][callback] = None


def _call_all(callbacks: Iterable[Callable[[], None]]) -> None:
    for callback in callbacks:
        callback()


@contextmanager
def long_waits_refused_as(refusal: BillorError) -> Iterator[None]:
    """Raise `refusal` if a statement of the block waits for another's lock for too long."""
    try:
        yield
    except OperationalError as error:
        if isinstance(error.orig, postgres.LockNotAvailable):
            raise refusal from error
        raise


def get_or_not_found(model: type[Row], id_: int) -> Row:
    """Return the row with this id as last committed. Raises `NotFound`."""
    row = db.session.get(model, id_)
    if row is None:
        raise NotFound(model.__name__, id_)
    return row


def table(model: type[Base]) -> Table:
    """Return the model's table, for `execute`."""
    return cast(Table, model.__table__)


def execute(statement: Executable, parameters: Any = None) -> CursorResult:
    """Run a statement for tables within the caller's transaction, past the session.

    `parameters` are those of the statement, or a list for many rows.
    """
    return db.session.connection().execute(statement, parameters)


def without_default(model: type[Base]) -> list[str]:
    """Return the names of the columns that a new row has to be given."""
    return [
        column.key
        for column in table(model).c
        if column.default is None and column.server_default is None
    ]


class Insertion:
    """Inserts rows with one statement, however many they are.

    Many are a list for each column, so that they cost no parameters of their own. `COPY`, which
    would be faster still, does not work with psycopg2's wait callback.
    """

    def __init__(self, model: type[Base], names: Sequence[str], returning: Sequence[Column] = ()):
        """Insert the columns `names` of rows, and return of each what `returning` says."""
        self._names = names
        columns = table(model).c
        # PostgreSQL would cut off what is too long for a length in the type of a parameter.
        types = {
            name: Text() if type(columns[name].type) is String else columns[name].type
            for name in names
        }
        lists = [bindparam(name, type_=ARRAY(type_)) for name, type_ in types.items()]
        rows = func.unnest(*lists).table_valued(*names, with_ordinality="number").render_derived()
        query = select(*(rows.c[name] for name in names)).order_by(rows.c.number)
        self._one: Executable = insert(table(model))
        self._many: Executable = insert(table(model)).from_select(list(names), query)
        if returning:
            self._one, self._many = (
                statement.returning(*returning) for statement in (self._one, self._many)
            )

    def run(self, rows: Sequence[Mapping[str, Any]]) -> CursorResult:
        """Insert rows, with rising ids; what they lack is null. The result is not in order."""
        if len(rows) == 1:
            return execute(self._one, {name: rows[0].get(name) for name in self._names})
        lists = {name: [row.get(name) for row in rows] for name in self._names}
        return execute(self._many, lists)


def values_before(row: Base, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the present values of those attributes that `changes` would make others."""
    return {
        name: getattr(row, name) for name, value in changes.items() if getattr(row, name) != value
    }


def update_row(row: Base, changes: Mapping[str, Any]) -> None:
    """Write changes by attribute to an object of a `LockingQuery` and to its row."""
    its_table = table(type(row))
    if changes:
        execute(update(its_table).where(its_table.c.id == row.id).values(changes))  # type: ignore[attr-defined]
    for name, value in changes.items():
        setattr(row, name, value)


def execute_bulk(statement: Update | Delete) -> int:
    """Run an UPDATE or DELETE; return the number of rows. Objects in the session do not notice."""
    options = {"synchronize_session": False}
    result = db.session.execute(statement, execution_options=options)
    return cast(CursorResult, result).rowcount


def from_database_error(error: SQLAlchemyError) -> BillorError | None:
    """Return the refusal that a database error means to a caller, or None for our own mistake."""
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
    """Return the name of the constraint or unique index that a statement has violated."""
    diagnosis = getattr(error.orig, "diag", None)
    return (diagnosis and diagnosis.constraint_name) or ""


def without_values(error: SQLAlchemyError) -> Exception:
    """Return what to log of an error that is our own mistake, without the values of rows.

    Both SQLAlchemy and PostgreSQL tell these in full, and they may be secrets.
    """
    cause = getattr(error, "orig", None) or error
    diagnosis = getattr(cause, "diag", None)
    what = diagnosis and (diagnosis.sqlstate, diagnosis.table_name, diagnosis.constraint_name)
    return RuntimeError(f"{type(cause).__name__} {what or ''}").with_traceback(error.__traceback__)
