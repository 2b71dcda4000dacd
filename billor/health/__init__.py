"""Whether the process is up, and whether what it needs is."""

from billor.health.routes import blueprint

__all__ = ["blueprint"]
