"""Spans that are exported over OTLP, named after OpenTelemetry's semantic conventions.

See https://opentelemetry.io/docs/specs/semconv/. No attribute has what leads to a person or a row
of theirs, so neither path nor query of an address, nor the values in a statement. This is the only
module that imports the SDK.
"""

import logging
import re
from functools import lru_cache
from threading import Lock, Thread
from typing import Literal

import requests
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)
from opentelemetry.trace import Span as OtelSpan
from opentelemetry.trace import Tracer as OtelTracer
from opentelemetry.util.re import parse_env_headers
from sqlalchemy.engine import make_url

from billor.config import Config
from billor.context import traceparent
from billor.traces.parent import Parent, parse, read_traceparent
from billor.traces.spans import Attributes, Span, Tracer

logger = logging.getLogger(__name__)

TRACES_PATH = "/v1/traces"
EXPORT_SECONDS = 5
"""For one batch, retries included; more spans wait meanwhile, up to some thousands."""
STOP_SECONDS = 1
KNOWN_METHODS = frozenset(
    ("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE")
)
_OPERATION = re.compile(r"\W*(\w+)(?:.*?\b(?:FROM|INTO|UPDATE)\s+(\w+))?", re.DOTALL)


class ExportedSpan(Span):
    """A step that is exported once it has ended."""

    def __init__(self, span: OtelSpan):
        context = span.get_span_context()
        own = Parent(context.trace_id, context.span_id, context.trace_flags.sampled)
        super().__init__(str(own))
        self._span = span

    def fail(self, error: str) -> None:
        self._span.set_attribute("error.type", error)
        self._span.set_status(StatusCode.ERROR)

    def end(self) -> None:
        self._span.end()


class _RequestSpan(ExportedSpan):
    def __init__(self, span: OtelSpan, method: str):
        super().__init__(span)
        self._method = method

    def answered(self, route: str | None, scheme: str, status: int) -> None:
        self._span.set_attribute("url.scheme", scheme)
        self._span.set_attribute("http.response.status_code", status)
        if route is not None:
            self._span.set_attribute("http.route", route)
            self._span.update_name(f"{self._method} {route}")
        if status >= 500:
            self.fail(str(status))


class ExportingTracer(Tracer):
    """Begins spans that are exported. The thread that does so starts with the first span.

    So it starts in the process that needs it, and not in one that is forked later.
    """

    def __init__(self, config: Config, endpoint: str):
        self._config, self._endpoint = config, endpoint
        self._lock = Lock()
        self._provider: TracerProvider | None = None
        self._tracer: OtelTracer | None = None
        database = make_url(config.database_url).database or ""
        self._database = {"db.system.name": "postgresql", "db.namespace": database}
        self._messaging = {
            "messaging.system": "gcp_pubsub" if config.pubsub_project_id else "in_process",
            "messaging.destination.name": config.pubsub_topic,
        }
        self._audit = {"db.system.name": "couchdb" if config.couchdb_url else "sqlite"}
        if config.couchdb_url:
            self._audit["db.namespace"] = config.couchdb_database

    def request(self, method: str) -> Span:
        name = method if method in KNOWN_METHODS else "HTTP"
        method = method if method in KNOWN_METHODS else "_OTHER"
        told = {"http.request.method": method}
        parent = _context(traceparent.get(), is_remote=True)
        return _RequestSpan(self._begin(name, SpanKind.SERVER, told, parent), name)

    def transaction(self) -> Span:
        return self._within("transaction", SpanKind.INTERNAL, self._database)

    def statement(self, statement: str) -> Span:
        summary, operation = _summary(statement)
        told = {"db.query.text": statement, "db.operation.name": operation}
        return self._within(summary, SpanKind.CLIENT, self._database | told)

    def message(
        self, operation: Literal["publish", "process"], event_id: str | None, parent: str | None
    ) -> Span:
        is_sent = operation == "publish"
        told = {
            **self._messaging,
            "messaging.operation.name": operation,
            "messaging.operation.type": "send" if is_sent else "process",
        }
        name = f"{operation} {self._config.pubsub_topic}"
        kind = SpanKind.PRODUCER if is_sent else SpanKind.CONSUMER
        return self._of_event(name, kind, told, event_id, parent, is_remote=True)

    def notification(self, event_id: str, parent: str | None) -> Span:
        return self._of_event("notify", SpanKind.INTERNAL, {}, event_id, parent)

    def document(self, event_id: str, parent: str | None) -> Span:
        told = {**self._audit, "db.operation.name": "record"}
        return self._of_event("record", SpanKind.CLIENT, told, event_id, parent)

    def stop(self) -> None:
        if self._provider is None:
            return
        # In a thread, since a collector that hangs would be waited for.
        closing = Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        closing.join(STOP_SECONDS)

    def _within(self, name: str, kind: SpanKind, attributes: Attributes) -> Span:
        """Begin a span of the current trace; what is done without one starts none."""
        parent = traceparent.get()
        if parent is None:
            return Span(None)
        return ExportedSpan(self._begin(name, kind, attributes, _context(parent)))

    def _of_event(
        self,
        name: str,
        kind: SpanKind,
        attributes: Attributes,
        event_id: str | None,
        parent: str | None,
        is_remote: bool = False,
    ) -> Span:
        """Begin a span of the trace that an event belongs to, if it does to one."""
        parent = read_traceparent(parent)
        if parent is None:
            return Span(None)
        told = {**attributes, "billor.event.id": event_id} if event_id else attributes
        return ExportedSpan(self._begin(name, kind, told, _context(parent, is_remote)))

    def _begin(
        self, name: str, kind: SpanKind, attributes: Attributes, parent: Context
    ) -> OtelSpan:
        with self._lock:
            if self._tracer is None:
                self._provider = self._start()
                self._tracer = self._provider.get_tracer("billor")
        return self._tracer.start_span(name, parent, kind, attributes)

    def _start(self) -> TracerProvider:
        # It tells of each retry; `_Session` tells once what is wrong.
        logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)
        exporter = OTLPSpanExporter(
            endpoint=self._endpoint.rstrip("/") + TRACES_PATH,
            headers=parse_env_headers(self._config.otel_exporter_otlp_headers or "", liberal=True),
            timeout=EXPORT_SECONDS,
            session=_Session(),
        )
        resource = Resource.create({SERVICE_NAME: self._config.otel_service_name})
        provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(exporter))
        return provider


class _Session(requests.Session):
    """Logs once that spans cannot be exported, and once that they are again."""

    _trouble: str | None = None

    def request(self, *args, **options) -> requests.Response:
        try:
            response = super().request(*args, **options)
        except requests.RequestException as error:
            self._tell(type(error).__name__)
            raise
        self._tell(None if response.ok else f"status {response.status_code}")
        return response

    def _tell(self, trouble: str | None) -> None:
        if trouble and not self._trouble:
            logger.warning("Spans are not exported, going on without: %s", trouble)
        elif self._trouble and not trouble:
            logger.info("Spans are exported again")
        self._trouble = trouble


def _context(parent: str | None, is_remote: bool = False) -> Context:
    if parent is None:
        return Context()
    trace_id, span_id, is_sampled = parse(parent)
    flags = TraceFlags(TraceFlags.SAMPLED if is_sampled else TraceFlags.DEFAULT)
    before = SpanContext(trace_id, span_id, is_remote, flags)
    return set_span_in_context(NonRecordingSpan(before), Context())


@lru_cache(maxsize=500)
def _summary(statement: str) -> tuple[str, str]:
    """Return a short name for a statement, and its operation."""
    match = _OPERATION.match(statement)
    assert match is not None, "it has a word"  # noqa: S101
    operation = match[1].upper()
    return f"{operation} {match[2]}" if match[2] else operation, operation
