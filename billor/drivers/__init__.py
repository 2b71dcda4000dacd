"""Drivers: the people who move loads."""

from billor.drivers.routes import blueprint

__all__ = ["blueprint"]
