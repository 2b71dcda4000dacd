"""Who is told of which event, and in which words: the templates in `notices/`, by language."""

import json
from datetime import datetime
from pathlib import Path
from urllib.parse import quote
from zoneinfo import ZoneInfo

from flask import current_app
from jinja2 import ChainableUndefined, Environment
from sqlalchemy import Row, select

from billor.auth import resets
from billor.events.event import EventType
from billor.models import AssignmentStatus, CheckInKind, Driver, LoadEvent, Notification, User, db

_TEMPLATES: dict[str, dict[str, str]] = {
    file.stem: json.loads(file.read_text(encoding="utf-8"))
    for file in (Path(__file__).parent / "notices").glob("*.json")
}
TO_DISPATCHERS = {EventType.CHECKED_IN, EventType.NOTIFICATION_FAILED}
TO_USERS = {*resets.VALID_SECONDS, EventType.WEBHOOK_DISABLED}
TYPES = _TEMPLATES["en"].keys()
TO_DRIVERS = TYPES - TO_DISPATCHERS - TO_USERS


def recipient_of(event: Row) -> Driver | User | None:
    """Return who is to be told of an event, if it is news: its driver, user or dispatcher."""
    if not _is_news(event):
        return None
    if event.type in TO_DRIVERS:
        return db.session.get(Driver, event.driver_id, populate_existing=True)
    user_id = event.user_id or _who_assigned(event)
    is_own = user_id == event.payload.get("user", {}).get("id")
    active = select(User).where(User.id == user_id, User.is_active)
    fresh = active.execution_options(populate_existing=True)
    return None if is_own else db.session.scalar(fresh)


def _is_news(event: Row) -> bool:
    """Return whether an event still holds, and is not what the driver said."""
    match event.type:
        case EventType.NOTIFICATION_FAILED:
            # Or else it would go on for ever. A push always comes besides something else.
            return event.payload["about"] in TO_DRIVERS and event.payload["channel"] != "PUSH"
        case EventType.CHECKED_IN:
            is_delay = event.payload["checkIn"]["kind"] == CheckInKind.DELAYED
            return is_delay and event.status == AssignmentStatus.ASSIGNED
        case EventType.ASSIGNMENT_CANCELLED:
            return event.status == AssignmentStatus.CANCELLED and _was_told(event)
        case EventType.LOAD_PLANNED:
            return event.status == AssignmentStatus.PLANNED
        case EventType.ASSIGNED:  # but reopened, its load may be planned again
            return event.status in (AssignmentStatus.ASSIGNED, AssignmentStatus.COMPLETED)
    is_own = event.payload.get("comment", {}).get("byDriver", False)
    return event.status != AssignmentStatus.CANCELLED and not is_own


def _was_told(event: Row) -> bool:
    """Return whether the driver may have heard of the assignment."""
    told = select(Notification.id).join(LoadEvent).where(Notification.attempts > 0)
    ids = {"load_id": event.load_id, "assignment_id": event.assignment_id}
    return db.session.scalar(told.filter_by(**ids).limit(1)) is not None


def _who_assigned(event: Row) -> int | None:
    user_id = LoadEvent.payload["user"]["id"].as_integer()
    ids = {"load_id": event.load_id, "assignment_id": event.assignment_id}
    first = select(user_id).filter_by(**ids).order_by(LoadEvent.created_at).limit(1)
    return db.session.scalar(first)


def text_of(event: Row, person: Driver | User) -> str:
    """Return what to tell a person of an event, in their language."""
    number = event.payload.get("load", {}).get("reference") or f"#{event.load_id}"
    template = _environment.from_string(_TEMPLATES[person.language][event.type])
    return template.render(event.payload, number=number)


def link_for(event: Row, person: Driver | User) -> str:
    """Return where the board shows it, or asks for the new password. Never by a Host header."""
    config = current_app.config["BILLOR"]
    page = f"#/loads/{event.load_id}" if event.load_id and isinstance(person, User) else ""
    if event.type in resets.VALID_SECONDS and isinstance(person, User):
        token = resets.make_token(event.type, person)
        page = f"#reset={token}&email={quote(person.email)}"
    return f"{(config.public_url or config.local_url).rstrip('/')}/board{page}"


def _local(text: str, form: str) -> str:
    """Return a time in TIME_ZONE, or a day, which has no zone."""
    time = datetime.fromisoformat(text)
    if time.tzinfo:
        time = time.astimezone(ZoneInfo(current_app.config["BILLOR"].zone_of_days))
    return time.strftime(form)


_environment = Environment(undefined=ChainableUndefined)  # noqa: S701 - for texts, not for pages
_environment.filters["local"] = _local
