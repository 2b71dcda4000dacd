"""The audit trail: what happened to loads, one document per event."""

from billor.audit.routes import blueprint

__all__ = ["blueprint"]
