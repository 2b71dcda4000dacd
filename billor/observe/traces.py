"""Spans of the worker, in the trace of the request that caused an event.

With OTEL_EXPORTER_OTLP_ENDPOINT they are exported, with those of requests: see
requirements-otel.txt.
"""

from contextlib import AbstractContextManager
from wsgiref.types import WSGIEnvironment

from flask import Flask
from opentelemetry import trace
from opentelemetry.util.re import parse_env_headers

from billor.config import Config
from billor.observe.context import current_route, propagator


def continued(name: str, parent: str | None) -> AbstractContextManager:
    """Run the block as a span of the event's trace."""
    context = propagator.extract({"traceparent": parent or ""})
    return trace.get_tracer("billor").start_as_current_span(name, context)


def init_traces(app: Flask, config: Config) -> None:
    """Export a span for each request, and those of `continued`, to the configured endpoint."""
    endpoint = config.otel_exporter_otlp_endpoint
    if endpoint is None:
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    headers = parse_env_headers(config.otel_exporter_otlp_headers or "", liberal=True)
    exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", headers=headers, timeout=2)
    provider = TracerProvider(resource=Resource.create({"service.name": config.otel_service_name}))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    app.wsgi_app = OpenTelemetryMiddleware(app.wsgi_app, None, _describe)  # type: ignore


def _describe(span: trace.Span, environ: WSGIEnvironment, *_) -> None:
    route = current_route.get() or ""
    span.update_name(f"{environ['REQUEST_METHOD']} {route}")
    span.set_attribute("http.target", route)  # path and query may identify a person
