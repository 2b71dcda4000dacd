"""Commands beside Flask's own: `flask seed`."""

import click
from flask import Flask, current_app
from flask.cli import with_appcontext

from billor.seed import SeedRefused, seed_database


def init_cli(app: Flask) -> None:
    """Add the commands to `flask`."""
    app.cli.add_command(seed)


@click.command()
@with_appcontext
def seed() -> None:
    """Make the demo user, and drivers and loads where there are none."""
    config = current_app.config["BILLOR"]
    try:
        created = seed_database(config)
    except SeedRefused as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"Log in as {config.demo_email}.")
    click.echo(", ".join(f"{count} {name}" for name, count in created.items()) + " created.")
