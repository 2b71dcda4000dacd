"""Notifying people of events: drivers of their loads, dispatchers of delays, users of accounts.

It comes some seconds after the event, and not at all if the assignment was cancelled by then, or
its plan activated: a dispatcher may undo a mistake. Drivers whom no service reaches are notified by
a line in the log, again after a crash. If it is unknown whether a service has sent something, it
sends it again after an hour.
"""

import errno
import logging
import re
import socket
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Thread
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, urlsplit

from cryptography.hazmat.primitives import serialization as form
from flask import current_app
from sqlalchemy import Row, delete, func, select

from billor.config import Config, ConfigError, push_key
from billor.database import execute, table, transaction
from billor.events.event import EventType
from billor.events.outbox import claim_unnotified, get_event, record
from billor.models import Channel, Driver, Notification, PushSubscription, User, db
from billor.observe.traces import continued
from billor.worker import notices
from billor.worker.outgoing import NotSent, post

logger = logging.getLogger(__name__)

UNDO_SECONDS = 10
BATCH_SIZE = 500
SEND_SECONDS = 30
LEASE = timedelta(hours=1)  # how long an attempt may take, and its outcome be unknown
GIVE_UP_AFTER = timedelta(days=1)
GONE = {404, 410}

_ERROR = re.compile(r"\[Errno (-?\d+)\] ([\w ]+)")
_NOTHING_SENT = {
    *(errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH),
    *(socket.EAI_NONAME, socket.EAI_AGAIN, socket.EAI_FAIL),
}
_REFUSED = re.compile(r"': \((5\d\d), b'([\d.]*)")
_STATUS = re.compile(r"\((\d{3}), b'([\d.]*)|error=(\d{3})|(timed out|unexpectedly closed)")

_failing: dict[Channel, str | None] = {}  # why what was sent last has failed: logged once


class Failure(NamedTuple):
    reason: str  # without words of the service, which may tell the address
    is_unsent: bool = False
    is_final: bool = False


def services(config: Config) -> dict[Channel, str]:
    """Return the URL of each channel that has one."""
    urls = {Channel.PHONE: config.notify_phone_url, Channel.EMAIL: config.notify_email_url}
    return {channel: url for channel, url in urls.items() if url}


def connect_services(config: Config) -> None:
    """Keep Apprise's log, which has addresses, out of ours. Raises `ConfigError`."""
    logging.getLogger("apprise").propagate = False
    logging.getLogger("apprise").setLevel(logging.DEBUG)
    samples = {Channel.PHONE: "+12145550123", Channel.EMAIL: "driver@example.com"}
    for channel, url in services(config).items():
        if "{address}" not in url or not _service(url, samples[channel]):
            raise ConfigError(f"NOTIFY_{channel}_URL must be a URL of Apprise with {{address}}.")


def notify_drivers() -> int:
    """Notify people of the oldest events that are due; return how many events were."""
    with transaction():
        events = claim_unnotified(notices.TYPES, BATCH_SIZE, UNDO_SECONDS)
        for event in events:
            if person := notices.recipient_of(event):
                _notify(event, person)
    return len(events)


def _notify(event: Row, person: Driver | User) -> None:
    chosen = getattr(person, "notify_by", None)
    config: Config = current_app.config["BILLOR"]
    channels = sorted(services(config), key=lambda each: each != chosen)
    if channel := next((each for each in channels if _address(person, each)), None):
        db.session.add(Notification(event_id=event.id, channel=channel))
    elif event.type in notices.TO_USERS:
        is_secret = config.is_production
        link = "set NOTIFY_EMAIL_URL" if is_secret else notices.link_for(event, person)
        logger.warning("To user %s: %s", person.id, link)
    elif load := event.payload.get("load"):
        places = load["cargoType"], load["origin"], load["destination"]
        what = person.name, event.type, load["id"]
        with continued("notify", event.traceparent):
            logger.info("To %s: %s, load %s, %s, from %s to %s.", *what, *places)
    if isinstance(person, Driver) and _browsers_of(person):
        db.session.add(Notification(event_id=event.id, channel=Channel.PUSH))


def _browsers_of(driver: Driver) -> Sequence[Row]:
    if current_app.config["BILLOR"].push_private_key is None:
        return []
    browsers = table(PushSubscription)
    is_logged_in = User.is_active & (User.epoch == browsers.c.epoch)
    query = select(browsers).join(User).where(User.driver_id == driver.id, is_logged_in)
    return execute(query).all()


def _address(person: Driver | User, channel: Channel) -> str | None:
    return getattr(person, channel.lower(), None)


def send_next(channel: Channel) -> int:
    """Send the notification that is due, if there is one; return how many there were."""
    with transaction():
        notification = _claim(channel)
        if notification is None:
            return 0
        event = get_event(notification.event_id)
        person: Any = notices.recipient_of(event)
        is_push = channel == Channel.PUSH
        browsers = _browsers_of(person) if person and is_push else []
        if person is None or (is_push and not browsers):
            notification.failed_at = func.clock_timestamp()
            return 1
        notification.attempts += 1
        url = services(current_app.config["BILLOR"]).get(channel)
        address = _address(person, channel)
        text = notices.text_of(event, person), notices.link_for(event, person)
    with continued("notify", event.traceparent):
        if is_push:
            failure = _push(browsers, *text)
        else:
            failure = _send(url, address, *text) if url and address else Failure("no address")
        with transaction():
            _settle(notification, failure, event, person.name)
    return 1


def _claim(channel: Channel) -> Notification | None:
    """Return what is due. Nobody else tries it meanwhile, nor soon after a crash."""
    is_unsent = Notification.sent_at.is_(None) & Notification.failed_at.is_(None)
    is_due = is_unsent & (Notification.due_at <= func.clock_timestamp())
    due = select(Notification).where(Notification.channel == channel, is_due)
    first = due.order_by(Notification.due_at).limit(1).with_for_update(skip_locked=True)
    notification = db.session.scalar(first, execution_options={"populate_existing": True})
    if notification is not None:
        notification.due_at = func.clock_timestamp() + LEASE
    return notification


def _settle(notification: Notification, failure: Failure | None, event: Row, name: str) -> None:
    """Record that it was sent or has failed, or have it tried again."""
    reason = failure.reason if failure else None
    if reason and reason != _failing.get(notification.channel):
        logger.warning("Notifications by %s fail: %s", notification.channel, reason)
    _failing[notification.channel] = reason
    payload = {"channel": notification.channel, "about": event.type, "recipient": name}
    if failure is None:
        notification.sent_at = func.clock_timestamp()
    elif failure.is_final or datetime.now(UTC) - notification.created_at >= GIVE_UP_AFTER:
        notification.failed_at = func.clock_timestamp()
        payload["reason"] = failure.reason
    else:
        if failure.is_unsent:  # or else the lease goes on
            minutes = min(2 ** (notification.attempts - 1), 60)
            notification.due_at = func.clock_timestamp() + timedelta(minutes=minutes)
        return
    kind = "notification."
    if event.type in notices.TO_USERS:
        kind = "user.mail_"  # which admins see
    names = ("load_id", "driver_id", "assignment_id", "user_id")
    ids = {name: getattr(event, name) for name in names}
    record(EventType(f"{kind}{'failed' if failure else 'sent'}"), payload, **ids)


def _send(url: str, address: str, text: str, link: str) -> Failure | None:
    """Return why it failed, if so. A thread that takes too long is left alone."""
    service = _service(url, address)
    if not service:
        return Failure("unsupported address", is_final=True)
    results: list[Any] = []
    title = text if "@" in address else ""  # the subject of a mail
    content: Any = {"body": f"{text}\n{link}", "title": title, "body_format": "text"}
    notify = partial(service.notify, **content, log_level=logging.DEBUG)
    thread = Thread(target=lambda: results.append(notify()), daemon=True)
    thread.start()
    thread.join(SEND_SECONDS)
    if not results:
        return Failure("timed out")
    (result,) = results
    return None if result else _failure("\n".join(entry.message for entry in result.logs()))


def _service(url: str, address: str) -> Any:
    """Return what sends to this address; it is false if the URL is not Apprise's.

    Also if Apprise would write to somebody else: to brien@… instead of o'brien@….
    """
    from apprise import Apprise, AppriseAsset  # takes 30 MB

    service = Apprise(asset=AppriseAsset(app_id="Billor", service_timeout=0))
    service.add(url.replace("{address}", quote(address, safe="")))
    is_meant = "@" not in address or all(address in unquote(each.url()) for each in service)
    return service if is_meant else None


def _push(browsers: Sequence[Row], text: str, link: str) -> Failure | None:
    """Push a text to all browsers of somebody; return why it reached none, if so."""
    from webpush import WebPush  # takes 15 MB

    key = push_key(current_app.config["BILLOR"].push_private_key)
    private = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
    public_form = form.PublicFormat.SubjectPublicKeyInfo
    public = key.public_key().public_bytes(form.Encoding.PEM, public_form)
    contact = f"billor@{urlsplit(link).hostname}"
    service = WebPush(private, public, contact, ttl=int(GIVE_UP_AFTER.total_seconds()))
    failures = [_push_to(service, text, browser) for browser in browsers]
    return None if None in failures else failures[0]


def _push_to(service: Any, text: str, browser: Row) -> Failure | None:
    from webpush import WebPushSubscription

    columns = browser._asdict()
    try:
        target = WebPushSubscription.model_validate(columns | {"keys": columns})
        sealed = service.get({"title": "Billor", "body": text}, target)
        headers = {**sealed.headers, "urgency": "high"}
        status, _ = post(browser.endpoint, headers, sealed.encrypted)
    except (NotSent, ValueError) as error:  # ValueError: no URL for the library
        return _failure(str(error))
    if status in GONE:
        with transaction():
            execute(delete(PushSubscription).where(PushSubscription.id == browser.id))
    return None if 200 <= status < 300 else Failure(str(status))


def _failure(details: str) -> Failure:
    if refused := _REFUSED.search(details):
        return Failure(" ".join(refused.groups()), is_final=True)
    if error := _ERROR.search(details):
        return Failure(error[2], is_unsent=int(error[1]) in _NOTHING_SENT)
    found = _STATUS.search(details)
    return Failure(" ".join(filter(None, found.groups())) if found else "unknown")
