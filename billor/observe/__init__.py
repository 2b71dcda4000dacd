"""Observability: the context of a request, logs, metrics and traces."""
