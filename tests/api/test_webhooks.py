"""Webhooks: their life, and their deliveries to a receiver of the tests' own."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, repeat
from threading import Event, Thread

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from billor.changes import webhooks as hooks
from billor.worker import outgoing, webhooks
from billor.worker.webhooks import Deliverer
from scripts.launcher.processes import free_port
from tests.conftest import DEMO_EMAIL
from tests.support.answers import assert_problem
from tests.support.apps import another_app
from tests.support.databases import run_sql
from tests.support.mail import Mailbox, mail_to, send_due
from tests.support.receiver import Posted, receiving, status
from tests.support.rival import beaten
from tests.support.worker import WAIT_SECONDS, wait_until

URL = "https://hooks.example/a?b=c"
EVENTS = 12


@pytest.fixture
def worker_app(app, settings, monkeypatch):
    """Like `app`, which empties the tables, but it may post to loopback, and looks often."""
    monkeypatch.setattr(webhooks, "IDLE_SECONDS", 0.02)
    with another_app(settings, PRIVATE_WEBHOOKS="yes") as worker_app:
        yield worker_app


@pytest.fixture
def hook(client, worker_app):
    """Make a webhook past the API, which refuses loopback."""

    def make(url: str, **values) -> dict:
        made = client.post("/webhooks", {"url": URL} | values).json
        run_sql(worker_app, "UPDATE webhooks SET url = :url WHERE id = :id", url=url, id=made["id"])
        return made

    return make


@contextmanager
def delivering(app, workers: int = 1) -> Iterator[None]:
    stop = Event()

    def deliver():
        with app.app_context():
            Deliverer().run(stop)

    threads = [Thread(target=deliver, daemon=True) for _ in range(workers)]
    for thread in threads:
        thread.start()
    yield
    stop.set()
    for thread in threads:
        thread.join(WAIT_SECONDS)
        assert not thread.is_alive()


def verified(posted: Posted, secret: str) -> dict:
    headers, body = posted
    return Webhook(secret).verify(body, headers)


def deliveries(client, hook: dict) -> list[dict]:
    return client.get(f"/webhooks/{hook['id']}/deliveries").json


def test_the_life_of_a_webhook(client):
    created = client.post("/webhooks", {"url": URL, "types": ["load.created"]})
    assert created.status_code == 201
    path, made = created.headers["Location"], created.json
    secret = made.pop("secret")
    shown = client.get(path)
    assert shown.json == made
    assert made | {"id": 1, "url": URL, "types": ["load.created"], "active": True} == made
    assert client.get("/webhooks").json == [shown.json | {"failingSince": None}]
    changed = client.patch(path, {"types": None}, headers={"If-Match": shown.headers["ETag"]})
    assert (changed.status_code, changed.json) == (200, shown.json | {"types": None})
    stale = {"If-Match": shown.headers["ETag"]}
    assert client.patch(path, {"active": False}, headers=stale).status_code == 412
    rotated = client.post(f"{path}/rotate-secret").json
    assert rotated["secret"].startswith("whsec_")
    assert rotated["secret"] != secret
    assert client.request("DELETE", path, headers=stale).status_code == 412
    assert client.request("DELETE", path).status_code == 204
    client.make_load()  # nothing waits for a webhook that is gone
    assert client.get(f"{path}/deliveries").json["code"] == "webhook_not_found"


@pytest.mark.parametrize(
    "body",
    [
        *({}, {"url": "http://hooks.example/"}, {"url": "https://user@hooks.example/"}),
        *({"url": URL, "types": ["user.created"]}, {"url": URL, "types": "load.created"}),
        *({"url": URL, "secret": "whsec_"}, {"url": "https://[/"}),
    ],
)
def test_refused_webhooks(client, body):
    assert client.post("/webhooks", body).status_code == 422


def test_so_many_webhooks_are_made_and_no_more_also_at_once(app, client, monkeypatch):
    monkeypatch.setattr(hooks, "MAX_WEBHOOKS", 1)
    other = "INSERT INTO webhooks (url, secret, user_id) VALUES ('https://a.example/', '', 1)"
    late = beaten(app, other, client.post, "/webhooks", {"url": URL})
    assert_problem(late, 409, "too_many_webhooks")
    assert client.request("DELETE", "/webhooks/1").status_code == 204
    assert client.post("/webhooks", {"url": URL}).status_code == 201


def test_events_arrive_whatever_the_receiver_does(client, worker_app, hook, monkeypatch):
    """It is away, wrong, redirects and breaks off; a worker is killed meanwhile."""
    monkeypatch.setattr(webhooks, "RETRY_SECONDS", (0.1,) * 1000)
    accepted: list[Posted] = []
    faults = chain(
        [status(500), status(302, Location="/elsewhere"), lambda handler: None],
        [lambda handler: handler.wfile.write(b"\0garbage\r\n\r\n"), status(404)] * 3,
        repeat(None),
    )

    def answer(handler):
        if fault := next(faults):
            return fault(handler)
        accepted.append(handler.got)
        return status(204)(handler)

    port = free_port()
    made = hook(f"http://127.0.0.1:{port}/")
    loads = [client.make_load() for _ in range(3)]
    for number in range(EVENTS):
        client.patch(f"/loads/{loads[number % 3]['id']}", {"notes": f"Gate {number}"})
    with worker_app.app_context(), monkeypatch.context() as killed:
        killed.setattr(Deliverer, "_post", lambda *_: None)
        assert Deliverer().step() == len(loads)
    run_sql(worker_app, "UPDATE webhook_deliveries SET due_at = now()")  # long after
    with delivering(worker_app, workers=2):
        wait_until(lambda: client.get("/webhooks").json[0]["failingSince"])
        with receiving(answer, port):
            wait_until(lambda: all(each["deliveredAt"] for each in deliveries(client, made)))
    events = [verified(each, made["secret"])["data"] for each in accepted]
    for load in loads:
        ids = [event["id"] for event in events if event["loadId"] == load["id"]]
        assert ids == sorted(ids)
        assert len(set(ids)) == 1 + EVENTS / len(loads)
    assert client.get("/webhooks").json[0]["failingSince"] is None


def test_a_slow_receiver_delays_nobody_else(client, worker_app, hook, monkeypatch):
    monkeypatch.setattr(outgoing, "SECONDS", 2 * WAIT_SECONDS)
    go_on = Event()

    def wait(handler):
        go_on.wait(WAIT_SECONDS)
        status(200)(handler)

    with receiving(wait) as slow, receiving(status(200)) as other, delivering(worker_app):
        first, second = hook(slow.url), hook(other.url)
        for _ in range(6):
            client.make_load()
        wait_until(lambda: all(each["deliveredAt"] for each in deliveries(client, second)))
        wait_until(lambda: slow.posted.qsize() >= webhooks.MAX_OF_WEBHOOK)
        assert slow.posted.qsize() == webhooks.MAX_OF_WEBHOOK
        assert not any(each["deliveredAt"] for each in deliveries(client, first))
        go_on.set()
        wait_until(lambda: all(each["deliveredAt"] for each in deliveries(client, first)))


def test_both_secrets_sign_until_the_old_one_ends(client, worker_app, hook):
    with receiving(status(200)) as receiver, delivering(worker_app):
        made = hook(receiver.url)
        path = f"/webhooks/{made['id']}"
        new = client.post(f"{path}/rotate-secret").json["secret"]
        sent = client.post(f"{path}/test").json
        posted = receiver.posted.get(timeout=WAIT_SECONDS)
        assert verified(posted, made["secret"]) == verified(posted, new)
        assert verified(posted, new)["type"] == "webhook.test"
        wait_until(lambda: deliveries(client, made)[0]["deliveredAt"])
        run_sql(worker_app, "UPDATE webhooks SET old_secret_until = now()")
        again = client.post(f"{path}/deliveries/{sent['id']}/resend")
        assert (again.json["deliveredAt"], again.json["attempts"]) == (None, 0)
        other = receiver.posted.get(timeout=WAIT_SECONDS)
        assert other[0]["webhook-id"] == posted[0]["webhook-id"]
        assert verified(other, new)
        with pytest.raises(WebhookVerificationError):
            verified(other, made["secret"])


@pytest.mark.parametrize(("code", "days"), [(410, 0), (500, 6)])
def test_a_failing_webhook_is_disabled_and_its_maker_is_mailed(
    client, worker_app, hook, caplog, monkeypatch, code, days
):
    with receiving(status(code)) as receiver, delivering(worker_app):
        made = hook(receiver.url)
        ago = "UPDATE webhooks SET failing_since = now() - make_interval(days => :days)"
        run_sql(worker_app, ago, days=days)
        client.make_load()
        wait_until(lambda: not client.get("/webhooks").json[0]["active"])
        client.make_load()  # not added
        (waiting,) = deliveries(client, made)
        assert (waiting["attempts"], waiting["status"], waiting["failedAt"]) == (1, code, None)
        assert f"Webhook {made['id']} is disabled" in caplog.text
        assert made["secret"] not in caplog.text
        [(payload,)] = run_sql(
            worker_app, "SELECT payload FROM load_events WHERE type = 'webhook.disabled'"
        )
        assert payload == {"webhook": {"id": made["id"], "status": code}}
        with Mailbox() as mailbox, worker_app.app_context():
            mail_to(mailbox.url, worker_app, monkeypatch)
            send_due()
        ((address, subject, _),) = mailbox.mails
        assert (address, subject[:16]) == (DEMO_EMAIL, f"Webhook {made['id']} is off")
        receiver.answer = status(200)
        client.patch(f"/webhooks/{made['id']}", {"active": True})
        client.post(f"/webhooks/{made['id']}/deliveries/{waiting['id']}/resend")
        wait_until(lambda: deliveries(client, made)[0]["deliveredAt"])


def test_a_delivery_is_given_up(client, worker_app, hook, monkeypatch):
    assert sum(webhooks.RETRY_SECONDS) >= 24 * 3600, "a receiver may be away for a day"
    monkeypatch.setattr(webhooks, "RETRY_SECONDS", (0.01, 0.01))
    with receiving(status(500)) as receiver, delivering(worker_app):
        made = hook(receiver.url)
        client.make_load()
        wait_until(lambda: deliveries(client, made)[0]["failedAt"])
        assert deliveries(client, made)[0]["attempts"] == receiver.posted.qsize() == 3
