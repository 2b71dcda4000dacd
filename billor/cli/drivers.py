"""The commands of `flask drivers`."""

import click
from flask.cli import with_appcontext

from billor.cli.command import Command, show_duplicates
from billor.extensions import db
from billor.stored_text import duplicate_drivers


@click.group()
def drivers() -> None:
    """Look at the people who move loads."""


@drivers.command("duplicates", cls=Command)
@with_appcontext
def list_duplicates() -> None:
    """List drivers with the same license number: with these a migration stops."""
    show_duplicates(duplicate_drivers(db.session.connection()))
