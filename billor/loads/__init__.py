"""Loads: what is to be moved, and from where to where."""

from billor.loads.routes import blueprint

__all__ = ["blueprint"]
