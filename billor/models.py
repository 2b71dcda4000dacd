"""The tables. Two partial unique indexes on assignments enforce the one-active-load rule."""

import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime
from enum import StrEnum
from functools import reduce
from typing import Any

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    ColumnElement,
    Enum,
    ForeignKey,
    Identity,
    Index,
    MetaData,
    String,
    Text,
    false,
    func,
    literal_column,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, registry, relationship
from sqlalchemy.types import UserDefinedType


class Base(DeclarativeBase):
    registry = registry(
        metadata=MetaData(
            naming_convention={
                "pk": "pk_%(table_name)s",
                "fk": "fk_%(table_name)s_%(column_0_name)s",
                "ck": "ck_%(table_name)s_%(constraint_name)s",
                "ix": "ix_%(table_name)s_%(column_0_N_name)s",
                "uq": "uq_%(table_name)s_%(column_0_name)s",
            }
        ),
        type_annotation_map={datetime: TIMESTAMP(timezone=True), str: Text, dict: JSONB},
    )


# Otherwise rendering after the commit would read every object again.
db = SQLAlchemy(model_class=Base, session_options={"expire_on_commit": False})


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
    PLANNED = "PLANNED"
    ASSIGNED = "ASSIGNED"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"


class CheckInKind(StrEnum):
    ACCEPTED = "ACCEPTED"
    AT_PICKUP = "AT_PICKUP"
    LOADED = "LOADED"
    AT_DELIVERY = "AT_DELIVERY"
    DELAYED = "DELAYED"


class DocumentKind(StrEnum):
    POD = "POD"
    BOL = "BOL"
    RATE_CONFIRMATION = "RATE_CONFIRMATION"
    OTHER = "OTHER"


class Channel(StrEnum):
    EMAIL = "EMAIL"
    PHONE = "PHONE"
    PUSH = "PUSH"


class Language(StrEnum):
    EN = "en"
    ES = "es"
    PT_BR = "pt-BR"


class TransactionId(UserDefinedType):
    """PostgreSQL's `xid8`: a transaction id that never wraps around."""

    cache_ok = True

    def get_col_spec(self, **_) -> str:
        return "xid8"


ischema_names["xid8"] = TransactionId  # unknown to SQLAlchemy; migrations compare types

# Not the start of the transaction, which may have waited for a lock since then.
WRITTEN_AT = func.clock_timestamp()
INSERTED_AT = func.statement_timestamp()  # the same for all columns of a row

FEED_POSITION = text(
    "GREATEST(CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS text) AS bigint) - 1,"
    " CAST(CAST(pg_current_xact_id() AS text) AS bigint))"
)

NEVER = datetime.max.replace(tzinfo=UTC)
"""Replaces a missing time, so that rows without one sort last."""


def _primary_key() -> Mapped[int]:
    return mapped_column(BigInteger, Identity(always=True), primary_key=True)


def _or_never(time: Any) -> ColumnElement[datetime]:
    never = f"'{NEVER:%Y-%m-%d %H:%M:%S.%f}+00'::timestamp with time zone"
    return func.coalesce(time, literal_column(never))


def _choice(name: str, choices: type[StrEnum]) -> Enum:
    return Enum(
        choices,
        name=name,
        native_enum=False,
        create_constraint=True,
        length=20,
        values_callable=lambda choices: [choice.value for choice in choices],
    )


def _status(statuses: type[StrEnum], default: StrEnum) -> Mapped[Any]:
    return mapped_column(_choice("status", statuses), default=default)


def _language() -> Mapped[Any]:
    return mapped_column(_choice("language", Language), server_default=Language.EN)


def _index(name: str, *columns: Any, where: str) -> Index:
    """Return a partial index, unique if its name starts with `uq_`."""
    return Index(name, *columns, unique=name.startswith("uq_"), postgresql_where=text(where))


def _indexes_by_status(
    table: str, statuses: type[StrEnum], order: str, *columns: Any
) -> Iterator[Index]:
    """Return a partial index in this order for each status.

    PostgreSQL believes that the rows of a status are spread evenly, and would not use an index that
    starts with the status where they are not.
    """
    for status in statuses:
        name = f"ix_{table}_{status.lower()}_{order}"
        yield _index(name, *columns, where=f"status = '{status}'")


def _assignment(condition: str) -> Mapped[Any]:
    """Return the relationship to the one assignment of this condition."""
    return relationship(primaryjoin=condition, lazy="raise_on_sql", viewonly=True)


def search_vector(row: Any) -> ColumnElement[Any]:
    """Return the words and the id of a row, by the functions of its search index."""
    separator: ColumnElement[str] = literal_column("chr(31)")
    parts: list[Any] = [
        func.coalesce(getattr(row, name), literal_column("''")) for name in row.SEARCHED
    ]
    text = reduce(lambda text, part: text.op("||")(separator).op("||")(part), parts)
    return func.search_vector(row.id, func.fold_text(text))


class User(Base):
    __tablename__ = "users"

    id: Mapped[int] = _primary_key()
    name: Mapped[str] = mapped_column(String(200))
    email: Mapped[str] = mapped_column(String(254))
    password_hash: Mapped[str | None]
    role: Mapped[Role] = mapped_column(_choice("role", Role), server_default=Role.DISPATCHER)
    driver_id: Mapped[int | None] = mapped_column(ForeignKey("drivers.id"))  # of role DRIVER
    is_active: Mapped[bool] = mapped_column(server_default=true())
    language: Mapped[Language] = _language()
    epoch: Mapped[int] = mapped_column(server_default=text("0"))  # of all valid tokens
    last_seen_at: Mapped[datetime | None]  # when a session was last started or refreshed
    created_at: Mapped[datetime] = mapped_column(server_default=WRITTEN_AT)

    SEARCHED = ("name", "email")

    __table_args__ = (
        CheckConstraint("(role = 'DRIVER') = (driver_id IS NOT NULL)", name="driver_id"),
        Index("uq_users_email", func.lower(email), unique=True),
    )


class Session(Base):
    """A login: a family of refresh tokens, of which only the latest is valid.

    A signed refresh token has its session's id and its generation, so no token or hash is stored.
    """

    __tablename__ = "sessions"

    id: Mapped[int] = _primary_key()
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    generation: Mapped[int] = mapped_column(server_default=text("0"))  # of the latest refresh token
    refreshed_at: Mapped[datetime] = mapped_column(server_default=WRITTEN_AT)
    expires_at: Mapped[datetime] = mapped_column(index=True)


class Driver(Base):
    __tablename__ = "drivers"

    id: Mapped[int] = _primary_key()
    name: Mapped[str] = mapped_column(String(200))
    license_number: Mapped[str] = mapped_column(String(64))
    status: Mapped[DriverStatus] = _status(DriverStatus, DriverStatus.ACTIVE)
    phone: Mapped[str | None] = mapped_column(String(40))  # in E.164, like those of loads
    email: Mapped[str | None] = mapped_column(String(254))
    notify_by: Mapped[Channel | None] = mapped_column(_choice("notify_by", Channel))
    language: Mapped[Language] = _language()
    notes: Mapped[str | None]
    license_expires_on: Mapped[date | None]  # the last day on which it is valid
    medical_expires_on: Mapped[date | None]
    created_at: Mapped[datetime] = mapped_column(server_default=WRITTEN_AT)
    has_load: Mapped[bool] = mapped_column(server_default=false())  # set by a trigger

    SEARCHED = ("name", "license_number")

    assignment: Mapped["Assignment | None"] = _assignment(
        "(Driver.id == Assignment.driver_id) & (Assignment.status == 'ASSIGNED')"
    )
    planned: Mapped["Assignment | None"] = _assignment(
        "(Driver.id == Assignment.driver_id) & (Assignment.status == 'PLANNED')"
    )
    __table_args__ = (
        Index("uq_drivers_license_number", func.canonical_key(license_number), unique=True),
        _index("ix_drivers_available", id, where="status = 'ACTIVE' AND NOT has_load"),
        _index("ix_drivers_unavailable", id, where="status <> 'ACTIVE' OR has_load"),
        _index("ix_drivers_inactive", id, where="status = 'INACTIVE'"),
    )


IS_FINISHED = "status IN ('COMPLETED', 'CANCELLED')"


class Load(Base):
    __tablename__ = "loads"

    id: Mapped[int] = _primary_key()
    origin: Mapped[str] = mapped_column(String(200))
    destination: Mapped[str] = mapped_column(String(200))
    cargo_type: Mapped[str] = mapped_column(String(100))
    reference: Mapped[str | None] = mapped_column(String(64))  # the shipper's order number
    driver_words: Mapped[str | None]  # for searches: who has the load, or had it at last
    pickup_at: Mapped[datetime | None] = mapped_column()
    pickup_to: Mapped[datetime | None]
    deliver_from: Mapped[datetime | None]
    deliver_by: Mapped[datetime | None]
    weight_kg: Mapped[int | None]
    equipment: Mapped[str | None] = mapped_column(String(50))
    pickup_contact: Mapped[str | None] = mapped_column(String(200))
    pickup_phone: Mapped[str | None] = mapped_column(String(40))
    delivery_contact: Mapped[str | None] = mapped_column(String(200))
    delivery_phone: Mapped[str | None] = mapped_column(String(40))
    notes: Mapped[str | None]  # what the driver must know
    has_pod: Mapped[bool] = mapped_column(server_default=false())
    status: Mapped[LoadStatus] = _status(LoadStatus, LoadStatus.OPEN)
    created_at: Mapped[datetime] = mapped_column(server_default=INSERTED_AT)
    updated_at: Mapped[datetime] = mapped_column(server_default=INSERTED_AT, onupdate=WRITTEN_AT)

    SEARCHED = ("reference", "origin", "destination", "cargo_type", "driver_words")

    __mapper_args__ = {"eager_defaults": True}  # `updated_at` is in events and responses

    assignment: Mapped["Assignment | None"] = _assignment(
        "(Load.id == Assignment.load_id) & (Assignment.status != 'CANCELLED')"
    )

    __table_args__ = (
        CheckConstraint("deliver_by >= pickup_at", name="deliver_by"),
        CheckConstraint("pickup_to >= pickup_at", name="pickup_to"),
        CheckConstraint("deliver_by >= deliver_from", name="deliver_from"),
        _index(
            "uq_loads_reference_key",
            func.canonical_key(reference),
            where="reference IS NOT NULL AND status <> 'CANCELLED'",
        ),
        # Each in the order of a list, so that a page takes the same time for any number of loads.
        Index("ix_loads_created", created_at, id),
        Index("ix_loads_pickup", _or_never(pickup_at), id),
        Index("ix_loads_updated", updated_at, id),
        *_indexes_by_status("loads", LoadStatus, "created", created_at, id),
        Index("ix_loads_status_pickup", status, _or_never(pickup_at), id),
        _index(
            "ix_loads_without_pod", created_at, id, where="status = 'COMPLETED' AND NOT has_pod"
        ),
        # For the board's list of both.
        _index("ix_loads_finished_updated", updated_at, id, where=IS_FINISHED),
        _index("ix_loads_finished", created_at, id, where=IS_FINISHED),
        Index("ix_loads_origin_created", func.fold_text(origin), created_at, id),
        Index("ix_loads_destination_created", func.fold_text(destination), created_at, id),
        Index("ix_loads_cargo_type_created", func.fold_text(cargo_type), created_at, id),
        _index(
            "ix_loads_reference_key", func.canonical_key(reference), where="reference IS NOT NULL"
        ),
    )

    @hybrid_property
    def pickup_or_never(self) -> datetime:
        """`pickup_at`, or a time after all others, so that loads without one come last."""
        return self.pickup_at or NEVER

    @pickup_or_never.inplace.expression
    @classmethod
    def _pickup_or_never(cls) -> ColumnElement[datetime]:
        return _or_never(cls.pickup_at)


IS_CURRENT = "status IN ('PLANNED', 'ASSIGNED')"


class Assignment(Base):
    __tablename__ = "driver_load_assignments"

    id: Mapped[int] = _primary_key()
    driver_id: Mapped[int] = mapped_column(ForeignKey("drivers.id"))
    load_id: Mapped[int] = mapped_column(ForeignKey("loads.id"))
    assigned_at: Mapped[datetime] = mapped_column(server_default=WRITTEN_AT)
    closed_at: Mapped[datetime | None] = mapped_column()
    status: Mapped[AssignmentStatus] = _status(AssignmentStatus, AssignmentStatus.ASSIGNED)
    progress: Mapped[CheckInKind | None] = mapped_column(_choice("progress", CheckInKind))
    progress_at: Mapped[datetime | None]
    expected_at: Mapped[datetime | None]  # the new time of delivery, by the last delay
    delay_reason: Mapped[str | None]

    driver: Mapped[Driver] = relationship(lazy="raise_on_sql")
    load: Mapped[Load] = relationship(lazy="raise_on_sql")

    left = None
    """Why it is still planned although its driver is free: a code. `get_assignment` sets it."""

    @property
    def next(self) -> "Assignment | None":
        """What the driver has next; after the end of this one, what the driver has by now."""
        active, planned = self.driver.assignment, self.driver.planned
        following = active if self.closed_at and active else planned
        return None if following is self else following

    __table_args__ = (
        CheckConstraint(f"({IS_CURRENT}) = (closed_at IS NULL)", name="closed_at"),
        _index("uq_assignments_active_driver", driver_id, where="status = 'ASSIGNED'"),
        _index("uq_assignments_active_load", load_id, where="status = 'ASSIGNED'"),
        _index("uq_assignments_planned_driver", driver_id, where="status = 'PLANNED'"),
        _index("uq_assignments_current_load", load_id, where=IS_CURRENT),
        _index("ix_assignments_closed", closed_at, id, where="closed_at IS NOT NULL"),
        Index("ix_assignments_assigned", assigned_at, id),
        *_indexes_by_status("assignments", AssignmentStatus, "assigned", assigned_at, id),
        Index("ix_assignments_driver_id_assigned", driver_id, assigned_at, id),
        Index("ix_assignments_load_id_assigned", load_id, assigned_at, id),
    )


class CheckIn(Base):
    """A step of an assignment: how far the driver is, or what delays the load."""

    __tablename__ = "check_ins"

    id: Mapped[int] = _primary_key()
    assignment_id: Mapped[int] = mapped_column(ForeignKey("driver_load_assignments.id"))
    kind: Mapped[CheckInKind] = mapped_column(_choice("kind", CheckInKind))
    happened_at: Mapped[datetime] = mapped_column()  # when the driver tapped
    received_at: Mapped[datetime] = mapped_column(server_default=WRITTEN_AT)
    reason: Mapped[str | None]  # of a delay
    expected_at: Mapped[datetime | None]  # the new time of delivery
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))

    user: Mapped[User] = relationship(lazy="raise_on_sql")

    __table_args__ = (Index("ix_check_ins_assignment_id", assignment_id, happened_at, id),)


class PaperWarning(Base):
    """A warning that was given: this many days before a driver's paper expires."""

    __tablename__ = "paper_warnings"

    driver_id: Mapped[int] = mapped_column(ForeignKey("drivers.id"), primary_key=True)
    paper: Mapped[str] = mapped_column(String(32), primary_key=True)
    expires_on: Mapped[date] = mapped_column(primary_key=True)
    days: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)


class LoadEvent(Base):
    """An event of a load, a driver or an account; also the outbox, while `published_at` is null.

    `user_id` is the account of an account's event, null for a blocked login to an unknown account.
    Without a foreign key it outlives the user.
    """

    __tablename__ = "load_events"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)  # a UUIDv7: it starts with the time
    type: Mapped[str] = mapped_column(String(32))
    load_id: Mapped[int | None] = mapped_column(ForeignKey("loads.id"))
    driver_id: Mapped[int | None] = mapped_column(ForeignKey("drivers.id"))
    user_id: Mapped[int | None] = mapped_column(BigInteger)
    assignment_id: Mapped[int | None] = mapped_column(BigInteger)
    """Without a foreign key: to delete an assignment PostgreSQL would scan all events."""
    payload: Mapped[dict]
    request_id: Mapped[str | None] = mapped_column(String(128))
    traceparent: Mapped[str | None]  # the span that wrote it (https://www.w3.org/TR/trace-context/)
    created_at: Mapped[datetime] = mapped_column(server_default=WRITTEN_AT)
    published_at: Mapped[datetime | None] = mapped_column()
    recorded_at: Mapped[datetime | None] = mapped_column()  # reset to null to publish it again
    notified_at: Mapped[datetime | None]  # or was found to be no news
    transaction_id: Mapped[str | None] = mapped_column(
        TransactionId, server_default=func.pg_current_xact_id()
    )
    """The transaction that wrote it: tells `GET /changes` what a snapshot includes."""
    feed_position: Mapped[int] = mapped_column(BigInteger, server_default=FEED_POSITION)
    """Its place in `GET /events`: the last transaction that had ended when it was written, or its
    own if that is later. So it is not before what its transaction had seen, and not below the
    oldest running transaction until its own has ended. 0 in restored rows."""

    __table_args__ = (
        Index("ix_load_events_feed", feed_position, created_at, id),
        _index("ix_load_events_transaction_id", transaction_id, where="transaction_id IS NOT NULL"),
        Index("ix_load_events_load_id_created_at", load_id, created_at),
        _index("ix_load_events_cancelled", created_at, where="type = 'load.cancelled'"),
        _index("ix_load_events_unpublished", created_at, where="published_at IS NULL"),
        _index(
            "ix_load_events_unnotified",
            created_at,
            where="notified_at IS NULL AND (assignment_id IS NOT NULL OR load_id IS NULL)"
            " AND type IN ('load.assigned', 'load.updated', 'load.planned', 'load.commented',"
            " 'assignment.reopened', 'assignment.cancelled', 'assignment.checked_in',"
            " 'driver.papers_expire', 'notification.failed', 'user.invited',"
            " 'user.password_reset_requested', 'webhook.disabled')",
        ),
        _index(
            "ix_load_events_unconfirmed",
            created_at,
            published_at,
            where="published_at IS NOT NULL AND recorded_at IS NULL",
        ),
    )


class Document(Base):
    """A photo or PDF of a load. Its bytes are in the object store."""

    __tablename__ = "documents"

    id: Mapped[int] = _primary_key()
    load_id: Mapped[int] = mapped_column(ForeignKey("loads.id"))
    kind: Mapped[DocumentKind] = mapped_column(_choice("kind", DocumentKind))
    name: Mapped[str] = mapped_column(String(200))  # of the file, only to be shown
    media_type: Mapped[str] = mapped_column(String(50))
    size: Mapped[int]  # in bytes
    sha256: Mapped[str] = mapped_column(String(64))
    object_key: Mapped[str] = mapped_column(String(100), unique=True)  # in the object store
    happened_at: Mapped[datetime | None]  # when the driver took the photo
    created_at: Mapped[datetime] = mapped_column(server_default=WRITTEN_AT)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))

    user: Mapped[User] = relationship(lazy="raise_on_sql")

    __table_args__ = (Index("ix_documents_load_id", load_id, id),)


IS_UNSENT = "sent_at IS NULL AND failed_at IS NULL"


class Notification(Base):
    """That somebody is to be notified of an event, and how far this is."""

    __tablename__ = "notifications"

    id: Mapped[int] = _primary_key()
    event_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("load_events.id"))  # says to whom
    channel: Mapped[Channel] = mapped_column(_choice("channel", Channel))
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    due_at: Mapped[datetime] = mapped_column(server_default=WRITTEN_AT)
    """When to try next; an attempt moves it on, so that no other starts."""
    sent_at: Mapped[datetime | None]
    failed_at: Mapped[datetime | None]  # when it was given up, or was no news any more
    created_at: Mapped[datetime] = mapped_column(server_default=WRITTEN_AT)

    __table_args__ = (
        Index("uq_notifications_event_id", event_id, channel, unique=True),
        _index("ix_notifications_unsent", channel, due_at, where=IS_UNSENT),
    )


class PushSubscription(Base):
    """A browser that shows notifications (https://www.w3.org/TR/push-api/)."""

    __tablename__ = "push_subscriptions"

    id: Mapped[int] = _primary_key()
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    epoch: Mapped[int]  # of the login that made it
    endpoint: Mapped[str] = mapped_column(String(1000), unique=True)
    p256dh: Mapped[str] = mapped_column(String(200))
    auth: Mapped[str] = mapped_column(String(100))
    created_at: Mapped[datetime] = mapped_column(server_default=WRITTEN_AT)


class ApiKey(Base):
    """A key with which a program acts for the user who made it."""

    __tablename__ = "api_keys"

    key = ""  # of one that was just made

    id: Mapped[int] = _primary_key()
    name: Mapped[str] = mapped_column(String(100))
    prefix: Mapped[str] = mapped_column(String(16))  # the start of the key, by which people know it
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)  # by SHA-256
    role: Mapped[Role] = mapped_column(_choice("role", Role))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=WRITTEN_AT)

    user: Mapped[User] = relationship()


class Webhook(Base):
    """A URL that gets events (https://www.standardwebhooks.com)."""

    __tablename__ = "webhooks"

    id: Mapped[int] = _primary_key()
    url: Mapped[str] = mapped_column(String(1000))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))  # who is told if it is disabled
    types: Mapped[list[str] | None] = mapped_column(ARRAY(String(32)))  # null for all
    secret: Mapped[str] = mapped_column(String(100))
    old_secret: Mapped[str | None] = mapped_column(String(100))  # signs, too
    old_secret_until: Mapped[datetime | None]
    is_active: Mapped[bool] = mapped_column(server_default=true())
    failing_since: Mapped[datetime | None]  # the first failure since the last success
    created_at: Mapped[datetime] = mapped_column(server_default=WRITTEN_AT)


IS_PENDING = "delivered_at IS NULL AND failed_at IS NULL"


class WebhookDelivery(Base):
    """That a webhook is to get an event, and how far this is. A trigger on events adds it."""

    __tablename__ = "webhook_deliveries"

    id: Mapped[int] = _primary_key()
    webhook_id: Mapped[int] = mapped_column(BigInteger)
    """No foreign key: no change of a load waits for who deletes a webhook."""
    event_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("load_events.id"))
    load_id: Mapped[int | None] = mapped_column(BigInteger)  # those of a load are in order
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    due_at: Mapped[datetime] = mapped_column(server_default=WRITTEN_AT)
    """When to try next; an attempt moves it on, so that no other starts."""
    status: Mapped[int | None]  # the HTTP status of the last answer; null if there was none
    answer: Mapped[str | None]  # the start of the last answer, or why there was none
    delivered_at: Mapped[datetime | None]
    failed_at: Mapped[datetime | None]  # when it was given up
    created_at: Mapped[datetime] = mapped_column(server_default=WRITTEN_AT)
    expires_at: Mapped[datetime] = mapped_column(
        server_default=text("now() + interval '30 days'"), index=True
    )

    __table_args__ = (
        Index("ix_webhook_deliveries_webhook_id", webhook_id, id),
        _index("ix_webhook_deliveries_due", webhook_id, due_at, id, where=IS_PENDING),
        _index("ix_webhook_deliveries_load", webhook_id, load_id, id, where=IS_PENDING),
    )


class IdempotencyKey(Base):
    """An Idempotency-Key and its response, committed together with the change."""

    __tablename__ = "idempotency_keys"

    user_id: Mapped[int] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True
    )
    key: Mapped[str] = mapped_column(String(280), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64))  # an HMAC of the request
    status: Mapped[int | None]
    headers: Mapped[dict | None]
    body: Mapped[str | None]
    expires_at: Mapped[datetime] = mapped_column(
        server_default=text("now() + interval '24 hours'"), index=True
    )


class DeadLetter(Base):
    """A message of the bus that could not be recorded, and why."""

    __tablename__ = "dead_letters"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)  # a hash of the message
    data: Mapped[bytes]
    attributes: Mapped[str]  # as JSON: PostgreSQL's own type cannot hold every character
    reason: Mapped[str]
    received_at: Mapped[datetime] = mapped_column(server_default=WRITTEN_AT)


class LoginAttempts(Base):
    """The number of failed logins within a window, for an address or an account."""

    __tablename__ = "login_attempts"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)  # hash of address or account
    failures: Mapped[int]
    expires_at: Mapped[datetime] = mapped_column(index=True)

    # Faster, and a crash of PostgreSQL only resets the counters.
    __table_args__ = {"prefixes": ["UNLOGGED"]}


for _model in (User, Driver, Load):
    Index(f"ix_{_model.__tablename__}_search", search_vector(_model), postgresql_using="gin")
