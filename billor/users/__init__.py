"""Users: the people who may log in."""

from billor.users.routes import blueprint

__all__ = ["blueprint"]
