"""What users may see and change of their own, a driver's load among it."""

from billor.me.routes import blueprint

__all__ = ["blueprint"]
