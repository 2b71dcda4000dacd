"""The tables. The one-active-load rule is the two partial unique indexes on assignments."""

import uuid
from datetime import UTC, datetime
from enum import StrEnum
from functools import reduce
from typing import TYPE_CHECKING, Any

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    ColumnElement,
    Enum,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    String,
    Text,
    Uuid,
    false,
    func,
    literal_column,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.types import UserDefinedType
from uuid_utils.compat import uuid7


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
        }
    )


# Expired objects would be read again, one by one, to be rendered after the commit.
db = SQLAlchemy(model_class=Base, session_options={"expire_on_commit": False})

if TYPE_CHECKING:
    Model = Base
else:
    Model = db.Model


class Role(StrEnum):
    ADMIN = "ADMIN"
    DISPATCHER = "DISPATCHER"
    DRIVER = "DRIVER"


class DriverStatus(StrEnum):
    ACTIVE = "ACTIVE"
    INACTIVE = "INACTIVE"


class LoadStatus(StrEnum):
    OPEN = "OPEN"
    ASSIGNED = "ASSIGNED"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"


class AssignmentStatus(StrEnum):
    ASSIGNED = "ASSIGNED"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"


class TransactionId(UserDefinedType):
    """PostgreSQL's `xid8`: the number of a transaction, never used again."""

    cache_ok = True

    def get_col_spec(self, **_) -> str:
        return "xid8"


ischema_names["xid8"] = TransactionId  # which SQLAlchemy has no type for, and migrations compare


# Not when the transaction began: it may have waited since then for another one's change.
WRITTEN_AT = func.clock_timestamp()
# The same for all columns of a new row.
INSERTED_AT = func.statement_timestamp()

NEVER = datetime.max.replace(tzinfo=UTC)
"""Stands for a time that a row does not have, where rows with one come first."""


def _primary_key() -> Mapped[int]:
    return mapped_column(BigInteger, Identity(always=True), primary_key=True)


def _timestamp(**options) -> Mapped[datetime]:
    return mapped_column(TIMESTAMP(timezone=True), **options)


def _or_never(time: Any) -> ColumnElement[datetime]:
    never = f"'{NEVER:%Y-%m-%d %H:%M:%S.%f}+00'::timestamp with time zone"
    return func.coalesce(time, literal_column(never))


def _choice(name: str, choices: type[StrEnum]) -> Enum:
    return Enum(choices, name=name, native_enum=False, create_constraint=True, length=16)


def _status(statuses: type[StrEnum], default: StrEnum) -> Mapped[Any]:
    return mapped_column(_choice("status", statuses), default=default)


def _index(name: str, *columns: Any, where: str) -> Index:
    """Return an index of some rows, unique if its name says so."""
    return Index(name, *columns, unique=name.startswith("uq_"), postgresql_where=text(where))


def _active_assignment(id_: str, foreign_key: str) -> Mapped[Any]:
    """Return the relationship to the active assignment, of which there is one at most."""
    condition = f"({id_} == Assignment.{foreign_key}) & (Assignment.status == 'ASSIGNED')"
    return relationship(primaryjoin=condition, lazy="raise_on_sql", viewonly=True)


def canonical_key(text: Any) -> ColumnElement[str]:
    """Return what a license number or a reference is unique by: letters and digits, upper case.

    The function is in the database, and only there: so whoever compares has the same result.
    """
    return func.canonical_key(text)


def search_vector(row: Any) -> ColumnElement[Any]:
    """Return the words of a row, and its number, as the index of a search has them.

    The functions are in the database, and only there: so both sides agree.
    """
    separator: ColumnElement[str] = literal_column("chr(31)")
    parts: list[Any] = [
        func.coalesce(getattr(row, name), literal_column("''")) for name in row.SEARCHED
    ]
    text = reduce(lambda text, part: text.op("||")(separator).op("||")(part), parts)
    return func.search_vector(row.id, func.fold_text(text))


class User(Model):
    __tablename__ = "users"

    id: Mapped[int] = _primary_key()
    name: Mapped[str] = mapped_column(String(200))
    email: Mapped[str] = mapped_column(String(254))
    password_hash: Mapped[str | None] = mapped_column(Text)
    role: Mapped[Role] = mapped_column(_choice("role", Role), server_default=Role.DISPATCHER)
    driver_id: Mapped[int | None] = mapped_column(ForeignKey("drivers.id"))
    """The driver that a user of role DRIVER is; no other user has one."""
    is_active: Mapped[bool] = mapped_column(Boolean, server_default=true())
    epoch: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    """Rises when all tokens of the user must end: each carries the epoch that it was issued in."""
    created_at: Mapped[datetime] = _timestamp(server_default=WRITTEN_AT)

    SEARCHED = ("name", "email")

    __table_args__ = (
        CheckConstraint("(role = 'DRIVER') = (driver_id IS NOT NULL)", name="driver_id"),
        Index("uq_users_email", func.lower(email), unique=True),
    )


class Session(Model):
    """A login, until it ends: a family of refresh tokens, of which only the newest may be used.

    A refresh token carries its session's id and its generation, under our signature. So no token
    is stored here, nor a hash of one.
    """

    __tablename__ = "sessions"

    id: Mapped[int] = _primary_key()
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    generation: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    """Of the newest refresh token."""
    refreshed_at: Mapped[datetime] = _timestamp(server_default=WRITTEN_AT)
    expires_at: Mapped[datetime] = _timestamp(index=True)


class Driver(Model):
    __tablename__ = "drivers"

    id: Mapped[int] = _primary_key()
    name: Mapped[str] = mapped_column(String(200))
    license_number: Mapped[str] = mapped_column(String(64))
    status: Mapped[DriverStatus] = _status(DriverStatus, DriverStatus.ACTIVE)
    created_at: Mapped[datetime] = _timestamp(server_default=WRITTEN_AT)
    has_load: Mapped[bool] = mapped_column(Boolean, server_default=false())
    """Whether an assignment of the driver is active. Only a trigger on assignments writes it."""

    SEARCHED = ("name", "license_number")

    assignment: Mapped["Assignment | None"] = _active_assignment("Driver.id", "driver_id")

    __table_args__ = (
        Index("uq_drivers_license_number", canonical_key(license_number), unique=True),
        _index("ix_drivers_available", id, where="status = 'ACTIVE' AND NOT has_load"),
        _index("ix_drivers_unavailable", id, where="status <> 'ACTIVE' OR has_load"),
        _index("ix_drivers_inactive", id, where="status = 'INACTIVE'"),
    )


class Load(Model):
    __tablename__ = "loads"

    id: Mapped[int] = _primary_key()
    origin: Mapped[str] = mapped_column(String(200))
    destination: Mapped[str] = mapped_column(String(200))
    cargo_type: Mapped[str] = mapped_column(String(100))
    reference: Mapped[str | None] = mapped_column(String(64))
    """The shipper's order number."""
    pickup_at: Mapped[datetime | None] = _timestamp()
    deliver_by: Mapped[datetime | None] = _timestamp()
    status: Mapped[LoadStatus] = _status(LoadStatus, LoadStatus.OPEN)
    created_at: Mapped[datetime] = _timestamp(server_default=INSERTED_AT)
    updated_at: Mapped[datetime] = _timestamp(server_default=INSERTED_AT, onupdate=WRITTEN_AT)

    SEARCHED = ("reference", "origin", "destination", "cargo_type")

    __mapper_args__ = {"eager_defaults": True}  # `updated_at` is in events and answers

    assignment: Mapped["Assignment | None"] = _active_assignment("Load.id", "load_id")

    __table_args__ = (
        CheckConstraint("deliver_by >= pickup_at", name="deliver_by"),
        _index(
            "uq_loads_reference_key",
            canonical_key(reference),
            where="reference IS NOT NULL AND status <> 'CANCELLED'",
        ),
        # Each in the order of a list: so a page takes the same time for any number of loads.
        Index("ix_loads_created", created_at, id),
        Index("ix_loads_pickup", _or_never(pickup_at), id),
        Index("ix_loads_status_created", status, created_at, id),
        Index("ix_loads_status_pickup", status, _or_never(pickup_at), id),
        # The board's list of both.
        _index("ix_loads_finished", created_at, id, where="status IN ('COMPLETED', 'CANCELLED')"),
        Index("ix_loads_origin_created", func.fold_text(origin), created_at, id),
        Index("ix_loads_destination_created", func.fold_text(destination), created_at, id),
        Index("ix_loads_cargo_type_created", func.fold_text(cargo_type), created_at, id),
        _index("ix_loads_reference_key", canonical_key(reference), where="reference IS NOT NULL"),
    )

    @hybrid_property
    def pickup_or_never(self) -> datetime:
        """`pickup_at`, or a time after all others: so loads without one come last."""
        return self.pickup_at or NEVER

    @pickup_or_never.inplace.expression
    @classmethod
    def _pickup_or_never(cls) -> ColumnElement[datetime]:
        return _or_never(cls.pickup_at)


class Assignment(Model):
    __tablename__ = "driver_load_assignments"

    id: Mapped[int] = _primary_key()
    driver_id: Mapped[int] = mapped_column(ForeignKey("drivers.id"))
    load_id: Mapped[int] = mapped_column(ForeignKey("loads.id"))
    assigned_at: Mapped[datetime] = _timestamp(server_default=WRITTEN_AT)
    closed_at: Mapped[datetime | None] = _timestamp()
    status: Mapped[AssignmentStatus] = _status(AssignmentStatus, AssignmentStatus.ASSIGNED)

    driver: Mapped[Driver] = relationship(lazy="raise_on_sql")
    load: Mapped[Load] = relationship(lazy="raise_on_sql")

    __table_args__ = (
        CheckConstraint("(status = 'ASSIGNED') = (closed_at IS NULL)", name="closed_at"),
        _index("uq_assignments_active_driver", driver_id, where="status = 'ASSIGNED'"),
        _index("uq_assignments_active_load", load_id, where="status = 'ASSIGNED'"),
        _index("ix_assignments_completed", closed_at, where="status = 'COMPLETED'"),
        Index("ix_assignments_assigned", assigned_at, id),
        Index("ix_assignments_status_assigned", status, assigned_at, id),
        Index("ix_assignments_driver_id_assigned", driver_id, assigned_at, id),
        Index("ix_assignments_load_id_assigned", load_id, assigned_at, id),
    )


class LoadEvent(Model):
    """An event of a load, a driver or an account, and the outbox.

    `published_at` is null until it is published. An event of a driver or an account has no load;
    the `user_id` of one of an account is the account's, or null for a blocked login at none. A
    foreign key would lose it with the user.
    """

    __tablename__ = "load_events"

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True, default=uuid7)
    """UUIDv7 (RFC 9562): begins with the time, so that indexes grow at their end, and quickly."""
    type: Mapped[str] = mapped_column(String(32))
    load_id: Mapped[int | None] = mapped_column(ForeignKey("loads.id"))
    driver_id: Mapped[int | None] = mapped_column(ForeignKey("drivers.id"))
    user_id: Mapped[int | None] = mapped_column(BigInteger)
    assignment_id: Mapped[int | None] = mapped_column(BigInteger)
    """Without a foreign key, too: for each archived assignment PostgreSQL would read all events."""
    payload: Mapped[dict] = mapped_column(JSONB)
    request_id: Mapped[str | None] = mapped_column(String(128))
    traceparent: Mapped[str | None] = mapped_column(Text)
    """What wrote it, as part of a trace (https://www.w3.org/TR/trace-context/)."""
    created_at: Mapped[datetime] = _timestamp(server_default=WRITTEN_AT)
    published_at: Mapped[datetime | None] = _timestamp()
    recorded_at: Mapped[datetime | None] = _timestamp()
    """When the worker had stored its audit document; null while it is to be published again."""
    notified_at: Mapped[datetime | None] = _timestamp()
    """When the driver of an assignment was notified of it."""
    transaction_id: Mapped[str | None] = mapped_column(
        TransactionId, server_default=func.pg_current_xact_id()
    )
    """The transaction that wrote it, by which `GET /changes` knows what a snapshot shows. Null in
    rows from before there was the column."""

    __table_args__ = (
        _index("ix_load_events_transaction_id", transaction_id, where="transaction_id IS NOT NULL"),
        Index("ix_load_events_load_id_created_at", load_id, created_at),
        _index("ix_load_events_cancelled", created_at, where="type = 'load.cancelled'"),
        _index("ix_load_events_unpublished", created_at, where="published_at IS NULL"),
        _index(
            "ix_load_events_unconfirmed",
            created_at,
            published_at,
            where="published_at IS NOT NULL AND recorded_at IS NULL",
        ),
    )


class IdempotencyKey(Model):
    """An Idempotency-Key, and the answer that its request got.

    Both are committed with what was created; while `status` is null it is being created.
    """

    __tablename__ = "idempotency_keys"

    user_id: Mapped[int] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True
    )
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    """Of all that makes a request, so that no other one is taken for the same."""
    status: Mapped[int | None] = mapped_column(Integer)
    headers: Mapped[dict | None] = mapped_column(JSONB)
    body: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = _timestamp(server_default=func.now(), index=True)


class LoginAttempts(Model):
    """How many logins have failed within a window, from an address or at an account."""

    __tablename__ = "login_attempts"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    """A hash of what is counted."""
    failures: Mapped[int] = mapped_column(Integer)
    ends_at: Mapped[datetime] = _timestamp(index=True)

    # Not worth a write to disk: at worst a crash of PostgreSQL forgives some failures.
    __table_args__ = {"prefixes": ["UNLOGGED"]}


for _model in (User, Driver, Load):
    Index(f"ix_{_model.__tablename__}_search", search_vector(_model), postgresql_using="gin")
