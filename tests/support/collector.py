"""A collector of spans over OTLP/HTTP, as https://opentelemetry.io/docs/specs/otlp/#otlphttp says.

It decodes what it gets with OpenTelemetry's own schema.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

PATH = "/v1/traces"


@dataclass(frozen=True)
class ReceivedSpan:
    """A span, with ids in hexadecimal digits; `parent_id` is empty for the first of a trace."""

    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: Mapping[str, Any]
    has_failed: bool
    service: str

    @property
    def texts(self) -> list[str]:
        """All that it says in words of ours."""
        return [self.name, *(f"{name}={value}" for name, value in self.attributes.items())]


class Collector:
    """Keeps the spans it gets, with the headers they came with. It can hang, and refuse."""

    def __init__(self) -> None:
        self.spans: list[ReceivedSpan] = []
        self.headers: list[Mapping[str, str]] = []
        self.asked = Event()
        self.status = 200
        self.answers = Event()
        self.answers.set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "Collector":
        serve = partial(self._server.serve_forever, poll_interval=0.02)
        Thread(target=serve, name="collector", daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self.answers.set()
        self._server.shutdown()
        self._server.server_close()

    def hang(self) -> None:
        """Answer nothing any more, until the end."""
        self.answers.clear()

    def of_trace(self, trace_id: str) -> list[ReceivedSpan]:
        return [span for span in self.spans if span.trace_id == trace_id]

    def _handler(collector) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - it has a `self`, too
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.asked.set()
                collector.answers.wait()
                if self.path == PATH and collector.status == 200:
                    collector.headers.append(dict(self.headers))
                    collector.spans += _decode(body)
                self.send_response(collector.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_) -> None:
                """Be silent."""

        return Handler


def _decode(body: bytes) -> list[ReceivedSpan]:
    request = ExportTraceServiceRequest.FromString(body)
    return [
        ReceivedSpan(
            name=span.name,
            kind=span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
            trace_id=span.trace_id.hex(),
            span_id=span.span_id.hex(),
            parent_id=span.parent_span_id.hex(),
            attributes=_values(span.attributes),
            has_failed=span.status.code == span.status.STATUS_CODE_ERROR,
            service=_values(of_service.resource.attributes)["service.name"],
        )
        for of_service in request.resource_spans
        for of_scope in of_service.scope_spans
        for span in of_scope.spans
    ]


def _values(attributes: Iterable[Any]) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}
