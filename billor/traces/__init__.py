"""Traces, from a request to the audit trail: the W3C's `traceparent`, and OpenTelemetry's spans."""
