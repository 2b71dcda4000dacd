"""Until its callers import it from `billor.traces`."""

from billor.traces import read_traceparent

__all__ = ["read_traceparent"]
