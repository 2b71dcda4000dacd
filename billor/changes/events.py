"""The feed of all events, oldest first, which a reader polls after the last event that it has.

An event is shown when no transaction that is still running can add one before it: by then, those of
all transactions below the oldest running one are committed or will never be. So a reader misses
none, but a long write delays the feed; reads, such as those of pg_dump, do not.
"""

from collections.abc import Collection, Sequence
from typing import Literal
from uuid import UUID

from marshmallow import fields, validate
from sqlalchemy import BigInteger, Row, String, cast, func, select, tuple_

from billor.api.fields import Id, Several, Timestamp, WireSchema, about
from billor.api.pagination import LimitQuery
from billor.errors import BillorError
from billor.events.event import PAYLOAD, WORK_TYPES
from billor.models import LoadEvent, db

LATEST: Literal["latest"] = "latest"
MAX_SCANNED = 1000  # how many events a page of only some types looks at
OLDEST_RUNNING = cast(cast(func.pg_snapshot_xmin(func.pg_current_snapshot()), String), BigInteger)
ORDER = (LoadEvent.feed_position, LoadEvent.created_at, LoadEvent.id)
IS_COMPLETE = LoadEvent.feed_position < OLDEST_RUNNING


class EventId(fields.UUID):
    """The id of an event, or `latest`."""

    def _deserialize(self, value, attr, data, **kwargs):
        return value if value == LATEST else super()._deserialize(value, attr, data, **kwargs)


class EventQuery(LimitQuery):
    after = EventId(
        **about(
            "The id of the last event that you have, as in the `Link` header. "
            "`latest` shows none, and links to what comes next. All events by default.",
            format="event-id",
        )
    )
    type = Several(fields.String(validate=validate.OneOf([*WORK_TYPES])))


class EventSchema(WireSchema):
    """An event, as on the bus."""

    id = fields.UUID(required=True)
    type = fields.String(
        required=True,
        validate=validate.OneOf([*WORK_TYPES]),
        metadata={"example": "load.assigned"},
    )
    driver_id = Id(required=True, allow_none=True)
    load_id = Id(required=True, allow_none=True)
    assignment_id = Id(required=True, allow_none=True)
    payload = fields.Dict(required=True, **about(PAYLOAD))
    timestamp = Timestamp(attribute="created_at", required=True)
    request_id = fields.String(required=True, allow_none=True)


def read_events(
    types: Collection[str], limit: int, after: UUID | Literal["latest"] | None = None
) -> tuple[Sequence[LoadEvent], UUID | None]:
    """Return the first events of these types `after` another one, and the id to read on after.

    No types are all of them. The id is that of the last event seen, of any type, or None if there
    is none yet. Raises `event_not_found`.
    """
    scanned = select(LoadEvent.id, LoadEvent.type).where(IS_COMPLETE)
    if after == LATEST:
        newest = scanned.order_by(*(column.desc() for column in ORDER)).limit(1)
        return [], db.session.scalar(newest)
    scanned = scanned.order_by(*ORDER).limit(MAX_SCANNED if types else limit)
    if after is not None:
        scanned = scanned.where(tuple_(*ORDER) > tuple_(*_place(after)))
    rows = db.session.execute(scanned).all()
    ids = [row.id for row in rows if row.type in (types or WORK_TYPES)][:limit]
    seen = ids if len(ids) == limit else [after, *(row.id for row in rows)]
    events = select(LoadEvent).where(LoadEvent.id.in_(ids)).order_by(*ORDER)
    return db.session.scalars(events).all(), seen[-1]


def _place(event_id: UUID) -> Row:
    place = db.session.execute(select(*ORDER).where(LoadEvent.id == event_id)).one_or_none()
    if place is None:
        raise BillorError("event_not_found")
    return place
