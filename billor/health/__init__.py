"""Health checks of the process and its dependencies."""

from billor.health.routes import blueprint

__all__ = ["blueprint"]
