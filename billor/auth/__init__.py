"""Login, and the guard in front of all other endpoints."""

from billor.auth.routes import blueprint

__all__ = ["blueprint"]
