"""Changes of loads and drivers, pushed as they are committed."""

from billor.changes.routes import blueprint

__all__ = ["blueprint"]
