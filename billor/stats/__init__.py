"""Figures over all loads and drivers."""

from billor.stats.routes import blueprint

__all__ = ["blueprint"]
