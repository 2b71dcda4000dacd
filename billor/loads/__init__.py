"""Loads: cargo to be moved from an origin to a destination."""

from billor.loads.routes import blueprint

__all__ = ["blueprint"]
