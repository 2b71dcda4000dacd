"""Assignments: which driver moves which load."""

from billor.assignments.routes import blueprint

__all__ = ["blueprint"]
