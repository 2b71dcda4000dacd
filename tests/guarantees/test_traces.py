"""One trace leads from a request to the audit trail, and all lines of a system are JSON."""

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.http import Reply
from tests.support.receiver import receiving, status
from tests.support.system import System, let_time_pass
from tests.support.worker import wait_until

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


class Run(NamedTuple):
    """What a system did that was stopped since."""

    assigned: Reply
    documents: dict[str, dict]
    spans: list
    lines: list[dict]


@pytest.fixture(scope="module")
def collector() -> Iterator[tuple[str, list]]:
    """The address of an OTLP collector, and the spans that it gets."""
    spans: list = []

    def collect(handler) -> None:
        for resource in ExportTraceServiceRequest.FromString(handler.got[1]).resource_spans:
            spans.extend(span for scope in resource.scope_spans for span in scope.spans)
        status(200)(handler)

    with receiving(collect) as receiver:
        yield receiver.url.rstrip("/"), spans


@pytest.fixture(scope="module")
def run(collector, shared_system: System) -> Run:
    endpoint, spans = collector
    system = shared_system
    settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "LOG_FORMAT": "json"}
    api, worker = system.start_api(workers=1, **settings), system.start_worker(**settings)
    (child,) = api.children()
    child.kill()  # of which gunicorn tells
    wait_until(lambda: api.children() not in ([], [child]) and api.answers())
    driver, load = api.client.make_driver("TX-1", "Robin Reed"), api.client.make_load()
    body = {"driverId": driver["id"], "loadId": load["id"]}
    assigned = api.client.request("POST", "/assignments", body, traceparent=TRACEPARENT)
    assert assigned.status == 201
    assert api.client.get("/drivers?q=robin").status == 200
    documents = system.assert_converges()
    let_time_pass(system.app)
    wait_until(lambda: "load.assigned, load" in worker.output)
    assert (worker.terminate(), api.terminate()) == (0, 0)
    output = worker.output + api.output
    return Run(assigned, documents, spans, [json.loads(line) for line in output.splitlines()])


def test_one_trace_leads_from_a_request_to_its_audit_document(run: Run):
    spans = {span.name: span for span in run.spans if span.trace_id.hex() == TRACE}
    assert set(spans) == {"POST /assignments", "notify"}
    assert spans["notify"].parent_span_id == spans["POST /assignments"].span_id
    (document,) = (each for each in run.documents.values() if each["type"] == "ASSIGNED")
    assert document["requestId"] == run.assigned.headers["X-Request-ID"]


def test_no_span_leads_to_a_person(run: Run):
    assert len(run.spans) > 4
    texts = [each.value.string_value for span in run.spans for each in span.attributes]
    texts += [span.name for span in run.spans]
    assert not [text for text in texts if re.search(r"(?i)robin|dana|/\d", text)]


def test_lines_are_json_and_name_their_request_trace_and_user(run: Run):
    assert {line["logger"].split(".")[0] for line in run.lines} >= {"billor", "gunicorn"}
    (line,) = (each for each in run.lines if each.get("route") == "/assignments")
    assert line["request_id"] == run.assigned.headers["X-Request-ID"]
    assert (line["trace_id"], line["user_id"]) == (TRACE, 1)
    assert (line["method"], line["status"], line["path"]) == ("POST", 201, "/assignments")
    (told,) = (each for each in run.lines if "load.assigned, load" in each["message"])
    assert told["trace_id"] == TRACE
