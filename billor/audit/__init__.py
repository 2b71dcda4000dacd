"""The audit trail: what happened to loads, one document an event."""

from billor.audit.routes import blueprint

__all__ = ["blueprint"]
