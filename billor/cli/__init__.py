"""Commands of `flask` besides Flask's own."""

from billor.cli.commands import init_cli

__all__ = ["init_cli"]
