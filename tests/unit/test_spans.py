"""Spans, exported from this process to a collector of the tests' own."""

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DataError

from billor.extensions import db
from billor.loads import service
from billor.models import LoadEvent
from billor.traces import export
from billor.traces.spans import init_traces, tracer
from billor.worker.notifications import Notifier
from billor.worker.received import read
from billor.worker.relay import PublishFailed, Relay
from tests.support.apps import another_app, client_with_token
from tests.support.bus import FakeBus, FakeDelivery, event_message
from tests.support.collector import Collector
from tests.support.worker import wait_until

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
SAMPLED = f"00-{TRACE}-{SPAN}-01"
NOT_SAMPLED = f"00-{TRACE}-{SPAN}-00"


@pytest.fixture
def collector():
    with Collector() as collector:
        yield collector


@pytest.fixture
def traced(app, config, settings, collector):
    """An app whose spans go to the collector."""
    given = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"{collector.url}/",
        "OTEL_EXPORTER_OTLP_HEADERS": "x-key=a%20key,x-tenant=1",
        "OTEL_SERVICE_NAME": "billor-test",
    }
    with another_app(settings, **given) as traced:
        yield traced
    tracer().stop()
    init_traces(config)


@pytest.fixture
def client(traced):
    return client_with_token(traced)


@pytest.fixture
def exported(collector):
    """Export what waits; return all spans, the first that began first."""

    def export_all():
        tracer().stop()
        return collector.spans

    return export_all


def test_a_request_is_a_span_with_its_route_and_status(client, exported, collector):
    client.get("/loads/7", headers={"traceparent": SAMPLED})
    (span,) = (span for span in exported() if span.kind == "SERVER")
    assert (span.name, span.trace_id, span.parent_id) == ("GET /loads/<id:load_id>", TRACE, SPAN)
    assert span.attributes == {
        "http.request.method": "GET",
        "http.route": "/loads/<id:load_id>",
        "http.response.status_code": 404,
        "url.scheme": "http",
    }
    assert not span.has_failed, "a refusal is no failure of ours"
    assert span.service == "billor-test"
    (headers, *_) = collector.headers
    assert (headers["x-key"], headers["x-tenant"]) == ("a key", "1")


def test_pages_from_the_cache_are_spans_too(client, exported):
    statuses = [client.get("/loads").headers["X-Cache"] for _ in range(2)]
    assert statuses == ["MISS", "HIT"]
    assert [span.name for span in exported() if span.kind == "SERVER"] == ["GET /loads"] * 2


def test_an_unknown_method_or_path_is_in_no_name(client, exported):
    client.request("BREW", "/coffee/for/Dana")
    client.get("/coffee/for/Dana")
    brewed, got = (span for span in exported() if span.kind == "SERVER")
    assert (brewed.name, brewed.attributes["http.request.method"]) == ("HTTP", "_OTHER")
    assert got.name == "GET"
    assert "http.route" not in got.attributes


def test_a_failed_request_is_a_failed_span(client, exported, monkeypatch):
    def fail(*_):
        raise RuntimeError("a secret")

    monkeypatch.setattr(service, "get_load", fail)
    assert client.get("/loads/1").status_code == 500
    (span,) = (span for span in exported() if span.kind == "SERVER")
    assert span.has_failed
    assert span.attributes["error.type"] == "500"
    assert "a secret" not in repr(span)


def test_statements_are_spans_of_the_transaction_without_their_values(client, exported, traced):
    client.post("/drivers", {"name": "Alex Carter", "licenseNumber": "TX-1"})
    spans = {span.name: span for span in exported()}
    request, transaction = spans["POST /drivers"], spans["transaction"]
    inserted = spans["INSERT drivers"], spans["INSERT load_events"]
    assert transaction.parent_id == request.span_id
    assert {span.parent_id for span in inserted} == {transaction.span_id}
    assert {span.trace_id for span in inserted} == {request.trace_id}
    assert inserted[0].attributes["db.query.text"].startswith("INSERT INTO drivers")
    assert inserted[0].attributes["db.system.name"] == "postgresql"
    assert "Carter" not in repr(spans)
    with traced.app_context():
        event = db.session.scalars(select(LoadEvent)).one()
    assert event.traceparent == f"00-{request.trace_id}-{transaction.span_id}-01"


def test_a_failed_statement_is_a_failed_span(traced, exported):
    with traced.app_context(), tracer().request("GET"), pytest.raises(DataError):
        db.session.execute(text("SELECT 1 / 0"))
    (failed,) = (span for span in exported() if span.has_failed)
    assert (failed.name, failed.attributes["error.type"]) == ("SELECT", "DivisionByZero")


def test_a_trace_that_is_not_sampled_goes_on_unexported(client, exported, traced):
    client.make_driver()  # starts a trace of its own
    load = {"origin": "Dallas, TX", "destination": "Atlanta, GA", "cargoType": "Dry van"}
    client.post("/loads", load, headers={"traceparent": NOT_SAMPLED})
    with traced.app_context():
        of_load = select(LoadEvent.traceparent).where(LoadEvent.load_id.is_not(None))
        (traceparent,) = db.session.scalars(of_load)
    assert traceparent.startswith(f"00-{TRACE}-")
    assert traceparent.endswith("-00")
    assert TRACE not in {span.trace_id for span in exported()}


def test_a_publication_that_the_bus_refuses_is_a_failed_span(client, exported, traced):
    client.make_driver()
    client.make_load()
    with traced.app_context():
        bus = FakeBus()
        bus.refused = {str(db.session.scalar(select(LoadEvent.id).where(LoadEvent.load_id == 1)))}
        with pytest.raises(PublishFailed):
            Relay(bus).publish_batch()
    of_driver, of_load = (span for span in exported() if span.name == "publish load-events")
    assert (of_driver.has_failed, of_load.has_failed) == (False, True)
    assert of_load.attributes["billor.event.id"] in bus.refused
    assert of_load.attributes["error.type"] == "ConnectionError"


def received(settle: str, **changes):
    """A message of a trace, read, and settled after it was."""
    message = event_message(**changes)
    message.attributes["traceparent"] = SAMPLED
    delivery = FakeDelivery(message)
    getattr(read(delivery).delivery, settle)()
    assert delivery.settled == [settle]
    return message


@pytest.mark.usefixtures("traced")
def test_processing_a_message_is_a_span_until_it_is_settled(exported):
    good, given_back = received("ack"), received("nack")
    malformed = received("ack", loadId="Dana")
    spans = exported()
    assert [span.attributes.get("billor.event.id") for span in spans] == [
        good.attributes["id"],
        given_back.attributes["id"],
        None,
    ]
    assert [span.has_failed for span in spans] == [False, True, False]
    assert {(span.name, span.kind) for span in spans} == {("process load-events", "CONSUMER")}
    assert {(span.trace_id, span.parent_id) for span in spans} == {(TRACE, SPAN)}
    assert malformed.attributes["id"] not in repr(spans)


def test_a_notification_that_fails_is_a_failed_span(traced, exported):
    payload = {
        "driver": {"name": "Alex Carter"},
        "load": {"id": 1, "cargoType": "Dry van", "origin": "A", "destination": "B"},
    }
    message = event_message(type="load.assigned", payload=payload)
    message.attributes["traceparent"] = SAMPLED

    def send(_text):
        raise ConnectionError

    notifier = Notifier(send, pytest.fail)
    with traced.app_context(), pytest.raises(Exception, match="ConnectionError"):
        notifier.handle([read(FakeDelivery(message))])
    notified, processed = exported()
    assert (notified.name, notified.has_failed) == ("notify", True)
    assert notified.parent_id == processed.span_id


def test_a_refusing_collector_is_logged_once_and_so_is_its_return(
    client, collector, monkeypatch, caplog
):
    caplog.set_level("INFO", export.__name__)
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
    collector.status = 400
    for _ in range(2):
        collector.asked.clear()
        client.get("/healthz")
        assert collector.asked.wait(10)
    collector.status = 200
    client.get("/healthz")
    wait_until(lambda: collector.spans)
    tracer().stop()
    assert [record.getMessage() for record in caplog.records if record.name == export.__name__] == [
        "Spans are not exported, going on without: status 400",
        "Spans are exported again",
    ]
