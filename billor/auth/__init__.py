"""Login, sessions, and the guard of all other endpoints."""

from billor.auth.routes import blueprint

__all__ = ["blueprint"]
