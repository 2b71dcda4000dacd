"""Who is told of which event, and in which words: the templates in `notices/`, by language."""

import json
from datetime import datetime
from pathlib import Path
from urllib.parse import quote
from zoneinfo import ZoneInfo

from flask import current_app
from jinja2 import ChainableUndefined, DictLoader, Environment
from sqlalchemy import Row, select

from billor.auth import resets
from billor.events.event import EventType
from billor.models import AssignmentStatus, CheckInKind, Driver, LoadEvent, Notification, User, db

LOGGED = {
    EventType.ASSIGNED: "you have",
    EventType.ASSIGNMENT_REOPENED: "you have",
    EventType.LOAD_PLANNED: "next you have",
    EventType.LOAD_UPDATED: "a change of your",
    EventType.LOAD_COMMENTED: "a comment on your",
}
TO_DRIVERS = {*LOGGED, EventType.ASSIGNMENT_CANCELLED, EventType.PAPERS_EXPIRE}
TO_DISPATCHERS = {EventType.CHECKED_IN, EventType.NOTIFICATION_FAILED}
TO_USERS = frozenset(resets.VALID_SECONDS)  # of their accounts
# A planned load was activated since then, or one is planned again.
OUTDATED = {(EventType.LOAD_PLANNED, True), (EventType.ASSIGNED, False)}


def is_news(event: Row) -> bool:
    """Return whether it still holds, and is not what the driver said."""
    if event.type == EventType.NOTIFICATION_FAILED:
        # Or else it would go on for ever. A push always comes besides something else.
        return event.payload["about"] in TO_DRIVERS and event.payload["channel"] != "PUSH"
    if event.type in TO_USERS:
        return recipient_of(event) is not None
    if event.type == EventType.CHECKED_IN:
        is_delay = event.payload["checkIn"]["kind"] == CheckInKind.DELAYED
        return is_delay and event.status == AssignmentStatus.ASSIGNED
    if event.type == EventType.ASSIGNMENT_CANCELLED:
        return event.status == AssignmentStatus.CANCELLED and _was_told(event)
    is_begun = event.status != AssignmentStatus.PLANNED
    is_outdated = (event.type, is_begun) in OUTDATED or event.status == AssignmentStatus.CANCELLED
    return not is_outdated and not event.payload.get("comment", {}).get("byDriver", False)


def _was_told(event: Row) -> bool:
    """Return whether the driver may have heard of the assignment."""
    told = select(Notification.id).join(LoadEvent).where(Notification.attempts > 0)
    ids = {"load_id": event.load_id, "assignment_id": event.assignment_id}
    return db.session.scalar(told.filter_by(**ids).limit(1)) is not None


def recipient_of(event: Row) -> Driver | User | None:
    """Return who is to be told of an event: its driver, or who made the assignment, if anybody."""
    if event.type in TO_DRIVERS:
        return db.session.get(Driver, event.driver_id, populate_existing=True)
    if event.type in TO_USERS:
        return db.session.scalar(select(User).where(User.id == event.user_id, User.is_active))
    ids = {"load_id": event.load_id, "assignment_id": event.assignment_id}
    user_id = LoadEvent.payload["user"]["id"].as_integer()
    first = select(user_id).filter_by(**ids).order_by(LoadEvent.created_at).limit(1)
    user = db.session.scalar(select(User).where(User.id.in_(first), User.is_active))
    is_own = user is not None and user.id == event.payload.get("user", {}).get("id")
    return None if is_own else user


def text_of(event: Row, person: Driver | User) -> str:
    """Return what to tell a person of an event, in their language."""
    number = event.payload.get("load", {}).get("reference") or f"#{event.load_id}"
    template = _environment.get_template(f"{person.language}/{event.type}")
    return template.render(event.payload, number=number)


def link_for(event: Row, person: Driver | User) -> str:
    """Return where the board shows it, or asks for the new password. Never by a Host header."""
    config = current_app.config["BILLOR"]
    page = "" if isinstance(person, Driver) else f"#/loads/{event.load_id}"
    if event.type in TO_USERS and isinstance(person, User):
        token = resets.make_token(event.type, person)
        page = f"#reset={token}&email={quote(person.email)}"
    return f"{(config.public_url or config.local_url).rstrip('/')}/board{page}"


def _local(text: str, form: str) -> str:
    """Return a time in TIME_ZONE, or a day, which has no zone."""
    time = datetime.fromisoformat(text)
    if time.tzinfo:
        time = time.astimezone(ZoneInfo(current_app.config["BILLOR"].zone_of_days))
    return time.strftime(form)


_environment = Environment(  # noqa: S701 - for texts, not for pages
    undefined=ChainableUndefined,
    loader=DictLoader(
        {
            f"{file.stem}/{event_type}": text
            for file in (Path(__file__).parent / "notices").glob("*.json")
            for event_type, text in json.loads(file.read_text(encoding="utf-8")).items()
        }
    ),
)
_environment.filters["local"] = _local
