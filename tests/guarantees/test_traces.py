"""One trace leads from a request to its audit document, over all processes of a running system.

Their spans go to a collector of the tests' own, and all that they print is JSON.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.support.collector import Collector, ReceivedSpan
from tests.support.http import Reply
from tests.support.system import System
from tests.support.worker import wait_until

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{SPAN}-01"
PASSWORD = "a-password-of-robin"
ROBIN = {"name": "Robin Reed", "email": "robin.reed@billor.example", "password": PASSWORD}
ON_PUBSUB, IN_PROCESS = "on-pubsub", "in-process"
LEADS_TO_A_PERSON = re.compile(r"(?i)robin|dana|reed|billor\.example|tx-?2000001|/\d|\w@\w")


@dataclass
class Run:
    """What a system did that was stopped since."""

    system: System
    collector: Collector
    assigned: Reply
    token: str
    documents: dict[str, dict]
    output: str

    def of_trace(self, trace_id: str) -> dict[str, list[ReceivedSpan]]:
        """The spans of a trace, by name."""
        named = defaultdict(list)
        for span in self.collector.of_trace(trace_id):
            named[span.name].append(span)
        return named

    def lines(self) -> list[dict]:
        """All that our processes have printed."""
        return [json.loads(line) for line in self.output.splitlines()]


@pytest.fixture(
    scope="module", params=[ON_PUBSUB, pytest.param(IN_PROCESS, marks=pytest.mark.slow)]
)
def bus(request) -> dict[str, str]:
    """The settings of Google's emulator, or none: then the bus is within the worker."""
    return request.getfixturevalue("pubsub").settings if request.param == ON_PUBSUB else {}


@pytest.fixture(scope="module")
def run(bus, database_settings, redis, tmp_path_factory, pytestconfig) -> Iterator[Run]:
    """Everything once, with one process that is killed; then all are told to stop.

    No span is exported before, unless they are very many. On Pub/Sub, relay and consumer are
    processes of their own, so that only the message joins them.
    """
    folder = tmp_path_factory.mktemp("traced")
    services = database_settings | redis.settings | bus
    with (
        System(services, folder, pytestconfig.cache.mkdir("compiled")) as system,
        Collector() as collector,
    ):
        settings = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_BSP_SCHEDULE_DELAY": "600000",
            "LOG_FORMAT": "json",
        }
        api = system.start_api(workers=1, **settings)
        (child,) = api.children()
        child.kill()
        wait_until(lambda: api.children() and api.answers())
        workers = [system.start_worker(*(["consumer"] if bus else []), **settings)]
        if bus:
            wait_until(lambda: "Worker started" in workers[0].output)  # and is subscribed
            workers.append(system.start_worker("relay", **settings))
        client = api.client
        assert client.post("/users", ROBIN | {"role": "DISPATCHER"}).status == 201
        credentials = {"email": ROBIN["email"], "password": PASSWORD}
        token = client.post("/auth/login", credentials).body["access_token"]
        driver = client.make_driver("TX-2000001", "Robin Reed")
        load = client.make_load()
        body = {"driverId": driver["id"], "loadId": load["id"]}
        assigned = client.request("POST", "/assignments", body, traceparent=TRACEPARENT)
        assert assigned.status == 201
        for path in ("/loads", "/loads", "/loads.csv", f"/drivers/{driver['id']}", "/no/Robin"):
            client.get(path)
        for path in ("/users?email=robin.reed@billor.example", "/drivers?q=robin", "/audit"):
            assert client.get(path).status == 200
        client.post("/drivers", {"name": "Robin", "licenseNumber": "tx 2000001"})
        documents = system.assert_converges()
        assert {process.terminate() for process in (*workers, api)} == {0}
        output = "".join(process.output for process in (*workers, api))
        yield Run(system, collector, assigned, token, documents, output)


def test_one_trace_leads_from_a_request_to_its_audit_document(run):
    spans, topic = run.of_trace(TRACE), run.system.settings["PUBSUB_TOPIC"]
    (request,) = spans["POST /assignments"]
    (transaction,) = spans["transaction"]
    (published,) = spans[f"publish {topic}"]
    (processed,) = spans[f"process {topic}"]
    (notified,) = spans["notify"]
    (recorded,) = spans["record"]
    assert request.parent_id == SPAN
    assert transaction.parent_id == request.span_id
    assert published.parent_id == processed.parent_id == transaction.span_id
    assert notified.parent_id == recorded.parent_id == processed.span_id
    event_id = recorded.attributes["billor.event.id"]
    document = run.documents[event_id]
    assert document["requestId"] == run.assigned.headers["X-Request-ID"]
    assert document["payload"]["load"]["id"] == run.assigned.body["loadId"]
    of_event = [span for span in run.collector.spans if event_id in span.attributes.values()]
    assert {span.trace_id for span in of_event} == {TRACE}


def test_every_request_without_a_trace_starts_one(run):
    requests = [span for span in run.collector.spans if span.kind == "SERVER"]
    assert {span.parent_id for span in requests} == {"", SPAN}
    traces = [span.trace_id for span in requests]
    assert len(set(traces)) == len(traces)
    recorded = {
        span.attributes["billor.event.id"]: span.trace_id
        for span in run.collector.spans
        if span.name == "record"
    }
    assert recorded.keys() == run.documents.keys()
    assert set(recorded.values()) < set(traces)


def test_no_span_leads_to_a_person(run):
    told = [text for span in run.collector.spans for text in span.texts]
    assert len(told) > 100
    for secret in (PASSWORD, run.token, run.system.token):
        assert secret not in "".join(told)
    assert [text for text in told if LEADS_TO_A_PERSON.search(text)] == []


def test_every_line_of_a_running_system_is_one_json_object(run):
    lines = run.lines()
    for line in lines:
        assert line.keys() >= {"time", "level", "logger", "message"}
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
    loggers = {line["logger"] for line in lines}
    assert loggers >= {"gunicorn.error", "billor.http.middleware", "billor.worker.main"}


def test_a_requests_line_names_its_route_trace_and_user(run):
    (line,) = (line for line in run.lines() if line.get("route") == "/assignments")
    del line["time"]
    assert line.pop("duration_ms") > 0
    assert re.fullmatch(r"POST /assignments 201 \d+\.\d ms", line.pop("message"))
    assert line == {
        "level": "INFO",
        "logger": "billor.http.middleware",
        "method": "POST",
        "route": "/assignments",
        "path": "/assignments",
        "status": 201,
        "request_id": run.assigned.headers["X-Request-ID"],
        "trace_id": TRACE,
        "user_id": 1,
    }


def test_the_line_of_a_notification_has_the_trace_of_its_request(run):
    (line,) = (line for line in run.lines() if "you have load" in line["message"])
    assert (line["logger"], line["trace_id"]) == ("billor.worker.notifications", TRACE)


def test_a_hung_collector_delays_neither_requests_nor_a_stop(shared_system):
    with Collector() as collector:
        collector.hang()
        settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "50"}
        api = shared_system.start_api(workers=1, **settings)
        assert collector.asked.wait(10)
        assert api.client.get("/loads").status == 200
        assert api.terminate() == 0
