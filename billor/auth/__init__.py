"""Logging in, and the guard in front of everything else."""

from billor.auth.routes import blueprint

__all__ = ["blueprint"]
