"""What the worker counts and measures, and how Prometheus gets it."""

import socket
from datetime import UTC, datetime, timedelta
from threading import Event

import pytest
from sqlalchemy import text

from billor.audit.sqlite import SqliteStore
from billor.config import ConfigError, load_config
from billor.events.event import Message
from billor.extensions import db
from billor.http.api import API_VERSION
from billor.loads.service import create_load
from billor.worker.consumer import Consumer
from billor.worker.exporter import make_exporter, serve_metrics
from billor.worker.received import read
from billor.worker.reconciliation import return_unrecorded, settled_now
from billor.worker.relay import PublishFailed, Relay
from tests.support.bus import FakeBus, FakeDelivery, event_message
from tests.support.exported import Exported, exported_here

TOKEN = "a-token-of-prometheus"
LAG = "billor_event_lag_seconds"


@pytest.fixture
def counted():
    """How much a sum has grown since the test began."""
    before = exported_here()
    return lambda name, **labels: exported_here().sum(name, **labels) - before.sum(name, **labels)


@pytest.fixture
def store(tmp_path) -> SqliteStore:
    return SqliteStore(tmp_path / "audit.sqlite3")


@pytest.fixture
def consume(store):
    """Handle messages as one batch."""
    consumer = Consumer(store)
    return lambda *messages: consumer.handle([read(FakeDelivery(m)) for m in messages])


def minutes_ago(minutes: int) -> str:
    return (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")


@pytest.mark.usefixtures("context")
def test_published_events_are_counted_with_their_lag(counted):
    bus = FakeBus()
    for _ in range(3):
        create_load(origin="Dallas, TX", destination="Reno, NV", cargo_type="Dry van")
    db.session.execute(text("UPDATE load_events SET created_at = now() - interval '2 minutes'"))
    db.session.commit()
    bus.away = True
    with pytest.raises(PublishFailed):
        Relay(bus).publish_batch()
    assert counted("billor_events_published_total") == 0
    bus.away = False
    assert Relay(bus).publish_batch() == 3
    assert counted("billor_events_published_total") == 3
    assert counted(f"{LAG}_count", step="published") == 3
    assert counted(f"{LAG}_bucket", step="published", le="60.0") == 0
    assert counted(f"{LAG}_bucket", step="published", le="300.0") == 3


def test_recorded_events_are_counted_with_their_lag(consume, counted):
    consume(event_message(timestamp=minutes_ago(2)), event_message(timestamp=minutes_ago(-2)))
    for step in ("delivered", "recorded"):
        assert counted(f"{LAG}_count", step=step) == 2
        assert 120 <= counted(f"{LAG}_sum", step=step) < 180, "a clock ahead counts as no lag"


def test_redelivered_events_are_counted_apart(consume, counted):
    message = event_message()
    consume(message)
    consume(message, message, event_message())
    assert counted("billor_redeliveries_total") == 2
    assert counted(f"{LAG}_count", step="recorded") == 2


def test_dead_letters_are_counted(consume, counted):
    consume(Message(b"no event", {}), event_message())
    assert counted("billor_dead_letters_total") == 1
    assert counted(f"{LAG}_count", step="recorded") == 1


def test_messages_given_back_are_counted(tmp_path, counted):
    (tmp_path / "file").touch()
    consumer = Consumer(SqliteStore(tmp_path / "file" / "audit.sqlite3"))
    batch = [read(FakeDelivery(event_message())) for _ in range(4)]
    with pytest.raises(consumer._away):
        consumer.handle(batch)
    assert counted("billor_nacks_total") == 4
    assert counted(f"{LAG}_count", step="recorded") == 0


@pytest.mark.usefixtures("context")
def test_confirmed_events_and_those_put_back_are_counted(store, counted):
    bus = FakeBus()
    for _ in range(5):
        create_load(origin="Dallas, TX", destination="Reno, NV", cargo_type="Dry van")
    Relay(bus).publish_batch()
    recorded = [read(FakeDelivery(message)).document for message in bus.messages[:2]]
    store.save(recorded)
    assert return_unrecorded(store, settled_now(), Event()) == 3
    assert counted(f"{LAG}_count", step="confirmed") == 2
    assert counted("billor_republications_total") == 3


def test_the_worker_serves_its_metrics_for_the_token(settings):
    client = make_exporter(load_config(settings | {"METRICS_TOKEN": TOKEN})).test_client()
    for given in ({}, {"Authorization": f"Bearer {TOKEN}x"}):
        answer = client.get("/metrics", headers=given)
        assert (answer.status_code, answer.mimetype) == (401, "application/problem+json")
    answer = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert Exported(answer.text).sum("billor_build_info", version=API_VERSION) == 1
    assert client.get("/elsewhere").status_code == 404
    assert client.post("/metrics").status_code == 405


def test_without_a_token_the_workers_metrics_are_open(settings):
    client = make_exporter(load_config(settings)).test_client()
    assert client.get("/metrics").status_code == 200


def test_a_port_that_is_taken_is_refused_in_one_line(settings):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = load_config(settings | {"METRICS_PORT": str(port)})
        with pytest.raises(ConfigError, match=rf"^METRICS_PORT {port} cannot be used \(.*\): "):
            serve_metrics(config)
