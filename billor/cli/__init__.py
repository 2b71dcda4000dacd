"""Commands of `flask`: demo data, bulk import, users, tokens for scripts, and dead letters."""

import shutil
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

import click
from flask import Flask, current_app

from billor.auth.service import issue_token
from billor.cli.command import Group, by_field
from billor.cli.seed import seed_database
from billor.cli.users import existing_user, users
from billor.events.outbox import publish_again
from billor.loads import files
from billor.loads.importing import import_loads
from billor.loads.schemas import ImportQuery
from billor.observe.logs import printable
from billor.worker import dead_letters

TIMES = ["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S.%f%z"]
NUMBER = click.IntRange(0, 10_000_000)

commands = Group()
events = Group("events", help="Publish events to the audit trail.")


def init_cli(app: Flask) -> None:
    for command in (*commands.commands.values(), users, events):
        app.cli.add_command(command)


@commands.command("seed")
@click.option("--drivers", type=NUMBER, help="Create drivers up to this number.")
@click.option("--loads", type=NUMBER, help="Create loads up to this number.")
def seed_command(drivers: int | None, loads: int | None) -> None:
    """Create the demo user, and some drivers and loads.

    Without options, creates a few if there are none. Safe to interrupt and to repeat.
    """
    config = current_app.config["BILLOR"]
    created = seed_database(config, drivers, loads)
    click.echo(f"Log in as {config.demo_email}.")
    click.echo(", ".join(f"{count:,} {name}" for name, count in created.items()) + " created.")


@commands.command("import-loads")
@click.argument("file", type=click.File("rb"))
@click.option(
    "--format",
    "format_",
    type=click.Choice(list(files.BY_EXTENSION)),
    help="Format of FILE, if its extension is none of these.",
)
@click.option("--time-zone", help="Of times without an offset, e.g. America/Chicago.")
@click.option("--day-first", is_flag=True, help="Read 3/4/2026 as 3 April.")
def import_loads_command(
    file: BinaryIO, format_: str | None, time_zone: str | None, day_first: bool
) -> None:
    """Create a load for each row of FILE; `-` is standard input.

    A CSV file or workbook (.xlsx, .xls, .ods) names the columns in its first row; NDJSON has an
    object on each line, with the fields of POST /loads. At most 10,000 rows.

    Invalid rows are listed, and the others created; the exit status is then 1. If the file cannot
    be read, nothing is created.
    """
    format_ = format_ or Path(file.name).suffix.lower().removeprefix(".")
    if format_ not in files.BY_EXTENSION:
        formats = " or ".join(files.BY_EXTENSION)
        raise click.ClickException(f"Unknown format of {file.name}: give --format {formats}.")
    zone = {"timeZone": time_zone} if time_zone else {}
    times = files.TimeFormat(**ImportQuery().load(zone), day_first=day_first)
    with TemporaryFile() as copy:  # standard input cannot be read twice
        shutil.copyfileobj(file, copy)
        copy.seek(0)
        outcome = import_loads(files.read_file(copy, files.BY_EXTENSION[format_], times))
    click.echo(
        f"{outcome.created:,} created, {outcome.already_there:,} already there,"
        f" {outcome.refused:,} refused"
    )
    if outcome.ignored:
        click.echo(f"ignored columns: {printable(', '.join(outcome.ignored))}", err=True)
    for row in outcome.rows:
        if row.already_there:
            click.echo(f"row {row.row}: already there: load {row.load_id}", err=True)
        for line in by_field(row.errors or {}):
            click.echo(f"row {row.row}: {line}", err=True)
    if outcome.refused:
        raise click.exceptions.Exit(1)


@commands.command()
@click.argument("email")
def token(email: str) -> None:
    """Print an access token for the user with this EMAIL, and nothing else.

    For scripts: TOKEN=$(flask token demo@billor.example)
    """
    user = existing_user(email)
    if not user.is_active:
        raise click.ClickException(f"User {user.id} is deactivated: no token would be valid.")
    click.echo(issue_token(user))


@commands.command("dead-letters")
@click.option("--replay", metavar="ID", help="Record this one, after a fix.")
def dead_letters_command(replay: str | None) -> None:
    """List the messages that could not be recorded, or replay one."""
    if replay is None:
        click.echo(dead_letters.describe())
    else:
        event_id = dead_letters.replay(replay)
        click.echo(f"Event {event_id} is in the audit trail now.")


@events.command("replay")
@click.option("--since", type=click.DateTime(TIMES), help="Only events from this time on.")
def replay_events(since: datetime | None) -> None:
    """Have the worker publish all events again, which rebuilds the audit trail.

    Safe to repeat: each event has one document, however often it is published.
    """
    click.echo(f"{publish_again(since):,} events will be published again.")
