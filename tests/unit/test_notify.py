"""Notifications on a real SMTP server: who gets which text, and what becomes of failures."""

import json
import re
import socket
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from threading import Event

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import select, text

from billor.assignments.check_ins import add_check_in
from billor.assignments.mine import POINT
from billor.assignments.service import assign, change_status
from billor.config import ConfigError, push_key
from billor.drivers.service import create_driver, today, update_driver, warn_of_papers
from billor.events.bus import InProcessBus
from billor.loads.service import comment, create_loads, update_load
from billor.models import Channel, CheckInKind, Language, LoadEvent, Notification, Role, db
from billor.observe.context import CurrentUser, current_user
from billor.worker import notices, notify
from billor.worker.main import SENDERS, Worker
from tests.support.mail import NOBODY, Mailbox, mail_to, send_due, url_of
from tests.support.receiver import post, receiving, status
from tests.support.users import make_user
from tests.support.worker import WAIT_SECONDS, running, wait_until

ALEX, DANA = "alex@carrier.example", "dana@carrier.example"
LOAD = {
    "origin": "Dallas, TX",
    "destination": "Atlanta, GA",
    "cargo_type": "Dry van",
    "reference": "PO-7",
    "pickup_at": datetime(2031, 5, 6, 15, 30, tzinfo=UTC),
}
TEXTS = {
    "en": "New load PO-7: Dallas, TX to Atlanta, GA, pickup 05/06 10:30 AM CDT.",
    "es": "Carga nueva PO-7: de Dallas, TX a Atlanta, GA, recolección 06/05 10:30 CDT.",
    "pt-BR": "Nova carga PO-7: de Dallas, TX para Atlanta, GA, coleta 06/05 10:30 CDT.",
}
PART = re.compile(r"\w+\.\w+|number|paper|expiresOn|recipient")
BOARD = "https://billor.carrier.example/board"
AWAY = url_of(9)
KEY = push_key("A" * 42 + "E")
"""Of `POINT`: that of the app, and of a browser."""


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with Mailbox() as mailbox:
        yield mailbox


@pytest.fixture(autouse=True)
def configure(app, context, monkeypatch, mailbox):
    """Sets where mails go, by default to the mailbox."""

    def set_url(url: str, **more: str) -> None:
        more |= {"public_url": BOARD.removesuffix("/board"), "time_zone": "America/Chicago"}
        mail_to(url, app, monkeypatch, **more)

    set_url(mailbox.url)
    return set_url


@pytest.fixture(autouse=True)
def dana(configure) -> Iterator[None]:
    """The dispatcher who does it all."""
    user = make_user("Dana", DANA, role=Role.DISPATCHER)
    token = current_user.set(CurrentUser(user.id, "Dana", Role.DISPATCHER, None, 0, None))
    yield
    current_user.reset(token)


def assigned(email: str = ALEX, **fields) -> None:
    driver = create_driver("Alex Carter", "TX-1", email=email, **fields)
    (load,) = create_loads([LOAD])
    assign(driver.id, load.id)


def send_all(after: str = "0 s") -> None:
    """Notify of all that has happened and, after this time, send what is due."""
    token = current_user.set(None)
    past = "UPDATE notifications SET due_at = due_at - t, created_at = created_at - t FROM "
    db.session.execute(text(f"{past} (SELECT interval '{after}' AS t) AS passed"))
    send_due()
    current_user.reset(token)


def outcomes() -> list[tuple[str, str]]:
    """What was recorded of notifications, and about what."""
    events = select(LoadEvent).where(LoadEvent.type.like("notification.%"))
    rows = db.session.scalars(events.order_by(LoadEvent.id))
    return [(row.type.removeprefix("notification."), row.payload["about"]) for row in rows]


def subjects(mailbox: Mailbox) -> list[str]:
    return [subject for _, subject, _ in mailbox.mails]


@pytest.mark.parametrize("language", TEXTS)
def test_a_driver_gets_a_mail_in_the_own_language_with_a_link(mailbox, language):
    assigned(language=Language(language))
    send_all()
    subject = TEXTS[language]
    assert mailbox.mails == [(ALEX, subject, f"{subject}\n{BOARD}")]
    event = db.session.scalars(select(LoadEvent).filter_by(type="notification.sent")).one()
    about = {"channel": "EMAIL", "about": "load.assigned", "recipient": "Alex Carter"}
    assert (event.payload, event.load_id, event.driver_id) == (about, 1, 1)


def test_languages_have_the_same_texts_of_the_same_parts():
    parts = {}
    for file in Path(notify.__file__).parent.glob("notices/*.json"):
        texts = json.loads(file.read_text()).items()
        parts[file.stem] = {name: sorted(PART.findall(each)) for name, each in texts}
    assert parts.keys() == TEXTS.keys()
    assert parts["en"] == parts["es"] == parts["pt-BR"]
    assert parts["en"].keys() == notices.TO_DRIVERS | notices.TO_DISPATCHERS | notices.TO_USERS


def test_drivers_hear_of_loads_and_papers_and_dispatchers_of_delays(mailbox):
    assigned(license_expires_on=today())
    send_all()
    update_load(1, origin="Waco, TX", pickup_at=None)
    comment(1, "Dock 4\nis closed", visible_to_driver=True)
    warn_of_papers()
    delay = {"kind": CheckInKind.DELAYED, "expected_at": datetime(2031, 5, 7, 15, tzinfo=UTC)}
    add_check_in(1, kind=CheckInKind.LOADED)
    add_check_in(1, reason="Dana knows", **delay)
    robin = make_user("Robin", "robin@carrier.example").id
    token = current_user.set(CurrentUser(robin, "Robin", Role.ADMIN, None, 0, None))
    add_check_in(1, reason="Snow on I-40", **delay)
    current_user.reset(token)
    create_loads([LOAD | {"reference": "PO-8", "pickup_at": None}])
    assign(1, 2, plan=True)
    send_all()
    change_status(2, "CANCELLED")
    change_status(1, "CANCELLED")
    send_all()
    delayed = (
        "Alex Carter is delayed with load PO-7: Snow on I-40. Now expected 05/07 10:00 AM CDT."
    )
    cancelled = "Load PO-7 is no longer yours: Waco, TX to Atlanta, GA."
    assert subjects(mailbox)[0] == TEXTS["en"]
    assert set(subjects(mailbox)[1:-1]) == {
        "Load PO-7 has changed. It is now Waco, TX to Atlanta, GA.",
        "Load PO-7, Dana: Dock 4 is closed",
        f"Your license expires on {today():%m/%d/%Y}. Send your dispatcher the new one.",
        delayed,
        "Your next load is PO-8: Dallas, TX to Atlanta, GA.",
        "Load PO-8 is no longer yours: Dallas, TX to Atlanta, GA.",
    }
    assert mailbox.mails[-1] == (ALEX, cancelled, f"{cancelled}\n{BOARD}")
    assert (DANA, delayed, f"{delayed}\n{BOARD}#/loads/1") in mailbox.mails


def test_what_is_no_news_any_more_is_not_sent(mailbox, configure):
    assigned()
    change_status(1, "CANCELLED")
    send_all()
    assert not list(db.session.scalars(select(Notification))), "nobody has heard of it"
    assign(1, 1)
    notify.notify_drivers()
    change_status(2, "CANCELLED")
    notify.send_next(Channel.EMAIL)
    send_all()
    assert mailbox.mails == [], "it was looked at, but not sent"
    configure(AWAY)
    assign(1, 1)
    send_all()
    change_status(3, "CANCELLED")
    configure(mailbox.url)
    send_all("2 minutes")
    assert subjects(mailbox) == ["Load PO-7 is no longer yours: Dallas, TX to Atlanta, GA."]


@pytest.mark.parametrize(
    ("fault", "reason", "too_early", "wait"),
    [
        ("away", "Connection refused", "30 seconds", "90 seconds"),
        ("slow", "timed out", "55 minutes", "61 minutes"),
        ("dropping", "unexpectedly closed", "55 minutes", "61 minutes"),
    ],
)
def test_what_was_surely_not_sent_is_tried_soon_and_all_else_after_an_hour(
    mailbox, configure, monkeypatch, caplog, fault, reason, too_early, wait
):
    assigned()
    with socket.create_server(("127.0.0.1", 0)) as silent, monkeypatch.context() as patched:
        patched.setattr(notify, "SEND_SECONDS", 1 if fault == "slow" else 30)
        slow = url_of(silent.getsockname()[1])
        configure({"away": AWAY, "slow": slow}.get(fault, mailbox.url))
        mailbox.is_dropping = fault == "dropping"
        send_all()
        send_all(wait)
    assert caplog.messages.count(f"Notifications by EMAIL fail: {reason}") == 1
    mailbox.is_dropping = False
    configure(mailbox.url)
    send_all(too_early)
    arrived = 2 if fault == "dropping" else 0
    assert (len(mailbox.mails), outcomes()) == (arrived, [])
    send_all(wait)
    assert subjects(mailbox) == [TEXTS["en"]] * (arrived + 1)
    assert outcomes() == [("sent", "load.assigned")]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("refused", "550 5.1.1"),
        ("unsupported", "unsupported address"),  # Apprise would write to brien@…
        ("away for a day", "Connection refused"),
        ("all refused", "550 5.1.1"),
    ],
)
def test_who_made_the_assignment_hears_of_a_driver_who_was_not_reached(
    mailbox, configure, caplog, fault, reason
):
    if fault == "away for a day":
        assigned()
        configure(AWAY)
        send_all()
        send_all("25 hours")
        configure(mailbox.url)
    else:
        assigned("o'brien@carrier.example" if fault == "unsupported" else NOBODY)
    if fault == "all refused":
        db.session.execute(text(f"UPDATE users SET email = '{NOBODY}'"))  # noqa: S608
    send_all("2 minutes")
    told = "We could not reach Alex Carter about load #1. Please call."
    reached = fault != "all refused"
    assert mailbox.mails == [(DANA, told, f"{told}\n{BOARD}#/loads/1")] * reached
    of_dana = "sent" if reached else "failed"
    assert outcomes() == [("failed", "load.assigned"), (of_dana, "notification.failed")]
    failed = db.session.scalars(select(LoadEvent).filter_by(type="notification.failed")).first()
    assert failed.payload["reason"] == reason
    logged = [record.getMessage() for record in caplog.records if record.name != "apprise"]
    assert "@" not in f"{logged} {failed.payload}"


def test_drivers_choose_a_channel_and_others_are_a_line_in_the_log(mailbox, configure, caplog):
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
    line = "To Alex Carter: load.updated, load 1, Dry van, from Reno, NV to Atlanta, GA."
    assert [each for each in caplog.messages if each.startswith("To ")] == [line]


def test_a_service_that_hangs_delays_no_other(app, mailbox, configure, monkeypatch):
    monkeypatch.setattr(notify, "SEND_SECONDS", 2 * WAIT_SECONDS)
    goes_on = Event()

    def hang(handler) -> None:
        goes_on.wait(2 * WAIT_SECONDS)
        status(200)(handler)

    addresses = [*[{"phone": "+12145550123"}] * 2 * SENDERS, {"email": ALEX}]
    with receiving(hang) as gateway:
        url = f"json{gateway.url[4:]}?rto={2 * WAIT_SECONDS}&to={{address}}"
        configure(mailbox.url, notify_phone_url=url)
        for number, address in enumerate(addresses):
            driver = create_driver("Alex Carter", f"TX-{number}", **address)
            (load,) = create_loads([LOAD | {"reference": None}])
            assign(driver.id, load.id)
        notify.notify_drivers()
        with running(Worker(app, InProcessBus(), app.extensions["audit_store"], ("consumer",))):
            wait_until(lambda: mailbox.mails)
            goes_on.set()
            wait_until(lambda: gateway.posted.qsize() == 2 * SENDERS)


def test_users_set_their_passwords_by_links_of_one_use_in_mails(mailbox, client, anonymous, caplog):
    email, tokens = "dana+7@carrier.example", []

    def receive(words: str) -> None:
        send_all()
        ((address, subject, content),) = mailbox.mails
        mailbox.mails.clear()
        assert (address, words in subject) == (email, True)
        link = rf"\n{BOARD}#reset=([\w.-]+)&email=dana%2B7%40carrier\.example$"
        tokens.append(re.search(link, content)[1])

    def follow(password: str) -> int:
        body = {"token": tokens[-1], "password": password}
        return anonymous.post("/auth/password-reset/confirm", body).status_code

    client.post("/users", {"name": "Dana", "email": email, "language": "es"})
    receive("7 días")
    assert [follow(each) for each in ("password", "1st-password", "again-used")] == [422, 204, 422]
    client.token = anonymous.log_in(email, "1st-password").json["access_token"]
    assert client.get("/me").json["name"] == "Dana"
    attack = {"Host": "localhost:666"}
    anonymous.post("/auth/password-reset", {"email": f" {email.title()}"}, headers=attack)
    receive("30 minutos")
    assert [follow(each) for each in ("2nd-password", "again-used")] == [204, 422]
    assert client.get("/me").status_code == 401
    assert anonymous.log_in(email, "2nd-password").status_code == 200
    told = str(db.session.execute(text("SELECT e::text FROM load_events e")).all())
    assert told.count("user.mail_sent") == 2
    assert [each for each in (email, *tokens) if each in told or f"={each}" in caplog.text] == []


@pytest.mark.parametrize("environment", ["development", "production"])
def test_without_a_service_for_mails_the_link_is_logged_but_not_in_production(
    configure, client, caplog, environment
):
    configure("", billor_env=environment)
    client.post("/users", {"name": "Robin", "email": "robin@carrier.example"})
    send_all()
    assert ("#reset=" in caplog.text) == (environment == "development")
    assert ("set NOTIFY_EMAIL_URL" in caplog.text) == (environment == "production")


@pytest.mark.parametrize(
    "url",
    ["none://s3cret/{address}", "mailto://x:s3cret@/{address}", "mailto://x:s3cret@y.example"],
)
def test_a_wrong_url_is_refused_without_telling_its_secrets(configure, url):
    with pytest.raises(ConfigError) as refused:
        configure(url)
    assert str(refused.value) == "NOTIFY_EMAIL_URL must be a URL of Apprise with {address}."


@pytest.fixture
def push(monkeypatch):
    """Assigns a load to a driver whose browser has this URL; then the load's mail is sent."""
    monkeypatch.setattr(notify, "post", partial(post, allow_private=True))
    assigned()
    make_user("Alex", "a@billor.example", role=Role.DRIVER, driver_id=1)

    def push(url: str, epoch: int = 0, point: str = POINT) -> None:
        values = f"2, {epoch}, '{url}', '{point}', '{'A' * 22}'"
        columns = "user_id, epoch, endpoint, p256dh, auth"
        db.session.execute(text(f"INSERT INTO push_subscriptions ({columns}) VALUES ({values})"))  # noqa: S608
        send_all()

    return push


def unsealed(body: bytes) -> dict:
    """Read a message as a browser does (RFC 8291)."""
    salt, point, sealed = body[:16], body[21:86], body[86:]
    public = ec.EllipticCurvePublicKey.from_encoded_point(KEY.curve, point)
    info = b"WebPush: info\0" + urlsafe_b64decode(f"{POINT}=") + point
    secret = HKDF(SHA256(), 32, bytes(16), info).derive(KEY.exchange(ec.ECDH(), public))
    key = HKDF(SHA256(), 16, salt, b"Content-Encoding: aes128gcm\0").derive(secret)
    nonce = HKDF(SHA256(), 12, salt, b"Content-Encoding: nonce\0").derive(secret)
    return json.loads(AESGCM(key).decrypt(nonce, sealed, None).removesuffix(b"\2"))


def test_a_push_is_sealed_and_signed_and_comes_besides_the_mail(push, mailbox):
    with receiving(status(201)) as service:
        push(service.url)
        headers, body = service.posted.get(timeout=30)
    assert unsealed(body) == {"title": "Billor", "body": TEXTS["en"]}
    sent = [headers[name] for name in ("content-encoding", "ttl", "urgency")]
    assert sent == ["aes128gcm", "86400", "high"]
    token, point = re.fullmatch(r"vapid t=(.+), k=(.+)", headers["authorization"]).groups()
    claims = jwt.decode(token, KEY.public_key(), ["ES256"], audience="http://127.0.0.1")
    assert (point, claims["sub"]) == (POINT, "mailto:billor@billor.carrier.example")
    assert subjects(mailbox) == [TEXTS["en"]]
    assert outcomes() == [("sent", "load.assigned")] * 2


@pytest.mark.parametrize(("code", "epoch", "tries"), [(410, 0, 1), (503, 0, 2), (201, -1, 0)])
def test_a_browser_that_has_left_is_forgotten_quietly(push, mailbox, code, epoch, tries):
    with receiving(status(code)) as service:
        push(service.url, epoch)
        send_all("25 hours")
        assert service.posted.qsize() == tries
    assert outcomes() == [("sent", "load.assigned"), ("failed", "load.assigned")][: max(tries, 1)]
    assert len(mailbox.mails) == 1, "the dispatcher need not call"


@pytest.mark.parametrize(
    ("url", "private", "point"),
    [
        ("https://127.0.0.1/", False, POINT),
        ("https://%/", False, POINT),
        ("http://127.0.0.1/", False, POINT),
        ("https://127.0.0.1:9/", True, "A" * 87),
    ],
)
def test_a_push_to_no_public_address_or_no_browser_is_not_sent(
    push, configure, mailbox, monkeypatch, url, private, point
):
    configure(mailbox.url, private_webhooks="yes")
    monkeypatch.setattr(notify, "post", partial(post, allow_private=private))
    push(url, point=point)
    send_all("25 hours")
    failed = db.session.scalars(select(LoadEvent).filter_by(type="notification.failed")).one()
    assert failed.payload["reason"] == "unknown", "or it would be: Connection refused"
