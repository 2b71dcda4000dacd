"""Notifications on a real SMTP server: who gets which text, and what becomes of failures."""

import dataclasses
import json
import re
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select, text

from billor.assignments.check_ins import add_check_in
from billor.assignments.service import assign, change_status
from billor.config import ConfigError
from billor.drivers.service import create_driver, today, update_driver, warn_of_papers
from billor.loads.service import comment, create_loads, update_load
from billor.models import Channel, CheckInKind, Language, LoadEvent, Notification, Role, db
from billor.observe.context import CurrentUser, current_user
from billor.worker import notices, notify
from billor.worker.notify import connect_services, notify_drivers, send_next
from tests.support.mail import NOBODY, Mailbox
from tests.support.users import make_user

ALEX, DANA = "alex@carrier.example", "dana@carrier.example"
LOAD = {
    "origin": "Dallas, TX",
    "destination": "Atlanta, GA",
    "cargo_type": "Dry van",
    "reference": "PO-7",
    "pickup_at": datetime(2031, 5, 6, 15, 30, tzinfo=UTC),
}
PART = re.compile(r"\w+\.\w+|number|paper|expiresOn|recipient")
ADDRESS = "https://board.carrier.example/board"
"""Where the board is."""


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with Mailbox() as mailbox:
        yield mailbox


@pytest.fixture(autouse=True)
def configure(app, context, monkeypatch, mailbox):
    """Sets `url` for mails, and prepares the worker for it."""

    def set_url(url: str, **more: str) -> None:
        others = {"public_url": ADDRESS.removesuffix("board"), "time_zone": "America/Chicago"}
        config = dataclasses.replace(app.config["BILLOR"], notify_email_url=url, **others, **more)
        monkeypatch.setitem(app.config, "BILLOR", config)
        connect_services(config)

    monkeypatch.setattr(notify, "UNDO_SECONDS", 0)
    set_url(mailbox.url)
    return set_url


@pytest.fixture
def dana(context) -> Iterator[None]:
    """The dispatcher who does it all."""
    user = make_user("Dana", DANA, role=Role.DISPATCHER)
    token = current_user.set(CurrentUser(user.id, "Dana", Role.DISPATCHER, None, 0, None))
    yield
    current_user.reset(token)


def send_all() -> None:
    """Notify of all that has happened, until nothing more is due."""
    sent = 1
    while sent:
        db.session.execute(text("UPDATE load_events SET recorded_at = now()"))
        db.session.commit()
        token = current_user.set(None)
        notify_drivers()
        sent = send_next()
        current_user.reset(token)


def outcomes() -> list[dict]:
    """What was recorded of notifications."""
    events = select(LoadEvent).where(LoadEvent.type.like("notification.%"))
    rows = db.session.scalars(events.order_by(LoadEvent.id)).all()
    return [{"type": row.type, "loadId": row.load_id, **row.payload} for row in rows]


def let_pass(interval: str) -> None:
    """Make what waits due, as if this time had passed."""
    for column in ("due_at", "created_at"):
        past = f"UPDATE notifications SET {column} = {column} - interval '{interval}'"  # noqa: S608
        db.session.execute(text(past))
    db.session.commit()


def assigned(email: str = ALEX, **fields) -> None:
    driver = create_driver("Alex Carter", "TX-1", email=email, **fields)
    (load,) = create_loads([LOAD])
    assign(driver.id, load.id)


TEXTS = {
    "en": (
        "New load PO-7: Dallas, TX to Atlanta, GA, pickup 05/06 10:30 AM CDT.",
        "Load PO-7 has changed. It is now Waco, TX to Atlanta, GA, pickup 05/06 10:30 AM CDT.",
        "Load PO-7, Dana: Dock 4 is closed",
        "Load PO-7 is no longer yours: Waco, TX to Atlanta, GA.",
    ),
    "es": (
        "Carga nueva PO-7: de Dallas, TX a Atlanta, GA, recolección 06/05 10:30 CDT.",
        "La carga PO-7 cambió. Ahora va de Waco, TX a Atlanta, GA, recolección 06/05 10:30 CDT.",
        "Carga PO-7, Dana: Dock 4 is closed",
        "La carga PO-7 ya no es tuya: de Waco, TX a Atlanta, GA.",
    ),
    "pt-BR": (
        "Nova carga PO-7: de Dallas, TX para Atlanta, GA, coleta 06/05 10:30 CDT.",
        "A carga PO-7 mudou. Agora vai de Waco, TX para Atlanta, GA, coleta 06/05 10:30 CDT.",
        "Carga PO-7, Dana: Dock 4 is closed",
        "A carga PO-7 não é mais sua: de Waco, TX para Atlanta, GA.",
    ),
}


@pytest.mark.parametrize("language", TEXTS)
def test_a_driver_gets_mails_in_the_own_language(mailbox, dana, language):
    assigned(language=Language(language))
    send_all()
    update_load(1, origin="Waco, TX")
    comment(1, "Dock 4\nis closed", visible_to_driver=True)
    send_all()
    change_status(1, "CANCELLED")
    send_all()
    mails = [(ALEX, each, f"{each}\n{ADDRESS}") for each in TEXTS[language]]
    assert mailbox.mails == mails
    about = ["load.assigned", "load.updated", "load.commented", "assignment.cancelled"]
    sent = {"type": "notification.sent", "channel": "EMAIL", "recipient": "Alex Carter"}
    assert outcomes() == [sent | {"loadId": 1, "about": each} for each in about]


def test_languages_have_the_same_texts_of_the_same_parts():
    parts = {}
    for file in Path(notify.__file__).parent.glob("notices/*.json"):
        texts = json.loads(file.read_text()).items()
        parts[file.stem] = {name: sorted(PART.findall(each)) for name, each in texts}
    assert parts.keys() == TEXTS.keys()
    assert parts["en"] == parts["es"] == parts["pt-BR"]
    assert parts["en"].keys() == notices.TO_DRIVERS | notices.TO_DISPATCHERS


def test_dispatchers_hear_of_delays_and_drivers_of_papers(mailbox, dana):
    assigned(license_expires_on=today(), language=Language.PT_BR)
    warn_of_papers()
    expected_at = datetime(2031, 5, 7, 15, 0, tzinfo=UTC)
    add_check_in(1, kind=CheckInKind.LOADED)
    add_check_in(1, kind=CheckInKind.DELAYED, reason="Own", expected_at=expected_at)
    robin = make_user("Robin", "robin@carrier.example", role=Role.DISPATCHER)
    token = current_user.set(CurrentUser(robin.id, "Robin", Role.DISPATCHER, None, 0, None))
    add_check_in(1, kind=CheckInKind.DELAYED, reason="Snow on I-40", expected_at=expected_at)
    current_user.reset(token)
    send_all()
    subjects = sorted(mail[:2] for mail in mailbox.mails)
    delay = "Alex Carter is delayed with load PO-7: Snow on I-40. Now expected 05/07 10:00 AM CDT."
    papers = f"Vencimento da CNH: {today():%d/%m/%Y}. Mande o documento novo ao despachador."
    assert subjects == [(ALEX, TEXTS["pt-BR"][0]), (ALEX, papers), (DANA, delay)]
    assert (DANA, delay, f"{delay}\n{ADDRESS}#/loads/1") in mailbox.mails


def test_what_is_no_news_any_more_is_not_sent(mailbox, dana, configure):
    assigned()
    change_status(1, "CANCELLED")
    send_all()
    assert not list(db.session.scalars(select(Notification))), "nobody has heard of it"
    configure("mailto://127.0.0.1:9/?from=a@carrier.example&to={address}")
    assign(1, 1)
    send_all()
    change_status(2, "CANCELLED")
    configure(mailbox.url)
    let_pass("2 minutes")
    send_all()
    assert [subject for _, subject, _ in mailbox.mails] == [
        TEXTS["en"][3].replace("Waco", "Dallas")
    ]


@pytest.fixture
def silent() -> Iterator[str]:
    """The URL of a server that accepts connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"mailto://127.0.0.1:{server.getsockname()[1]}/?from=a@carrier.example&to={{address}}"


FAULTS = {
    "away": ("Connection refused", 0, "90 seconds"),
    "slow": ("timed out", 0, "61 minutes"),
    "dropping": ("closed", 1, "61 minutes"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_was_surely_not_sent_is_tried_soon_and_all_else_after_an_hour(
    mailbox, dana, silent, configure, monkeypatch, caplog, fault
):
    reason, arrived, wait = FAULTS[fault]
    monkeypatch.setattr(notify, "SEND_SECONDS", 1)
    away = "mailto://127.0.0.1:9/?from=a@carrier.example&to={address}"
    configure({"away": away, "slow": silent, "dropping": mailbox.url}[fault])
    mailbox.is_dropping = fault == "dropping"
    assigned()
    send_all()
    monkeypatch.setattr(notify, "SEND_SECONDS", 30)
    assert (len(mailbox.mails), outcomes()) == (arrived, [])
    assert f"A notification by EMAIL failed: {reason}" in caplog.messages
    mailbox.is_dropping = False
    configure(mailbox.url)
    let_pass("30 seconds" if fault == "away" else "55 minutes")
    send_all()
    assert len(mailbox.mails) == arrived, "not yet"
    let_pass(wait)
    send_all()
    assert [mail[1] for mail in mailbox.mails] == [TEXTS["en"][0]] * (arrived + 1)
    assert [each["type"] for each in outcomes()] == ["notification.sent"]


@pytest.mark.parametrize("fault", ["refused", "away for a day"])
def test_who_made_the_assignment_hears_of_a_driver_who_cannot_be_reached(
    mailbox, dana, configure, caplog, fault
):
    is_refused = fault == "refused"
    assigned(NOBODY if is_refused else ALEX)
    if not is_refused:
        configure("mailto://127.0.0.1:9/?from=a@carrier.example&to={address}")
        send_all()
        let_pass("25 hours")
        send_all()
        configure(mailbox.url)
        let_pass("2 minutes")
    send_all()
    reason = "550 5.1.1" if is_refused else "Connection refused"
    told = "We could not reach Alex Carter about load #1. Please call."
    assert mailbox.mails == [(DANA, told, f"{told}\n{ADDRESS}#/loads/1")]
    failed, sent = outcomes()
    assert (failed["type"], failed["reason"]) == ("notification.failed", reason)
    assert (sent["about"], sent["recipient"]) == ("notification.failed", "Dana")
    told = [record.getMessage() for record in caplog.records if record.name != "apprise"]
    assert "@" not in f"{told} {outcomes()}"


def test_a_dispatcher_who_cannot_be_reached_is_told_nobody(mailbox, dana):
    db.session.execute(text(f"UPDATE users SET email = '{NOBODY}'"))  # noqa: S608
    db.session.commit()
    assigned(NOBODY)
    send_all()
    assert [each["type"] for each in outcomes()] == ["notification.failed"] * 2


def test_drivers_choose_a_channel_and_others_are_a_line_in_the_log(
    mailbox, dana, configure, caplog
):
    caplog.set_level("INFO")
    configure(mailbox.url, notify_phone_url="json://127.0.0.1:9/?to={address}")
    assigned(phone="+12145550123")
    send_all()
    update_driver(1, notify_by=Channel.EMAIL)
    update_load(1, origin="Waco, TX")
    send_all()
    update_driver(1, notify_by=Channel.PHONE, phone=None, email=None)
    update_load(1, origin="Reno, NV")
    send_all()
    channels = db.session.scalars(select(Notification.channel).order_by(Notification.id))
    assert list(channels) == ["PHONE", "EMAIL"]
    line = "To Alex Carter: a change of your load 1, Dry van, from Reno, NV to Atlanta, GA."
    assert [each for each in caplog.messages if each.startswith("To ")] == [line]


@pytest.mark.parametrize("url", ["nonsense://s3cret/{address}", "mailto://x:s3cret@/{address}"])
def test_a_wrong_url_is_told_without_its_secrets(configure, url):
    with pytest.raises(ConfigError) as refused:
        configure(url)
    assert str(refused.value) == "NOTIFY_EMAIL_URL is not a URL of Apprise: see docs/operations.md."
