"""Commands of `flask`: demo data, bulk import, users, tokens for scripts, and dead letters."""

import shutil
from io import BufferedReader
from pathlib import Path
from tempfile import TemporaryFile
from typing import cast

import click
from flask import Flask, current_app
from flask.cli import with_appcontext

from billor.audit.service import audit_store
from billor.audit.store import StoreUnavailable
from billor.auth.service import issue_token
from billor.cli.command import Command, by_field
from billor.cli.drivers import drivers
from billor.cli.events import events
from billor.cli.progress import progress_bar, reading
from billor.cli.seed import seed_database
from billor.cli.users import existing_user, users
from billor.http.media_types import BY_EXTENSION, HEAD_BYTES, XLSX, recognise
from billor.loads.importing import ImportOutcome, import_loads, read_loads
from billor.logs import printable
from billor.worker import dead_letters


def init_cli(app: Flask) -> None:
    """Add the commands to `flask`."""
    for command in (
        seed,
        import_loads_command,
        users,
        drivers,
        token,
        dead_letters_command,
        events,
    ):
        app.cli.add_command(command)


@click.command(cls=Command)
@click.option("--drivers", type=click.IntRange(min=0), help="Create drivers up to this number.")
@click.option("--loads", type=click.IntRange(min=0), help="Create loads up to this number.")
@with_appcontext
def seed(drivers: int | None, loads: int | None) -> None:
    """Create the demo user, and some drivers and loads.

    Without options, creates a few drivers and loads if there are none. Safe to repeat: the next
    run continues an interrupted one.
    """
    config = current_app.config["BILLOR"]
    created = seed_database(config, drivers, loads, progress_bar)
    click.echo(f"Log in as {config.demo_email}.")
    click.echo(", ".join(f"{count:,} {name}" for name, count in created.items()) + " created.")


@click.command("import-loads", cls=Command)
@click.argument("file", type=click.Path(allow_dash=True))
@click.option(
    "--format",
    "format_",
    type=click.Choice(list(BY_EXTENSION)),
    help="The format of FILE, if its name does not end in one of these.",
)
@with_appcontext
def import_loads_command(file: str, format_: str | None) -> None:
    """Create a load for each row of FILE; `-` is standard input.

    CSV, and the first visible sheet of an .xlsx workbook, have the column names in the first line,
    NDJSON an object on each line, with the fields of POST /loads. UTF-8, at most 10,000 rows.

    Refused rows are listed, and all others created; the exit status is then 1. If the file cannot
    be read to its end, nothing is created.
    """
    format_ = format_ or Path(file).suffix.lower().removeprefix(".")
    if format_ not in BY_EXTENSION:
        raise click.ClickException(f"What is {file}? Say --format {' or '.join(BY_EXTENSION)}.")
    with _open(file) as stream:
        outcome = _import(stream, BY_EXTENSION[format_])
    click.echo(
        f"{outcome.created:,} created, {outcome.already_there:,} already there,"
        f" {outcome.refused:,} refused"
    )
    if outcome.ignored:
        click.echo(f"columns left out: {printable(', '.join(outcome.ignored))}", err=True)
    for row in outcome.rows:
        if row.already_there:
            click.echo(f"row {row.row}: already there: load {row.load_id}", err=True)
        elif row.errors:
            click.echo(f"row {row.row}: {by_field(row.errors)}", err=True)
    if outcome.refused:
        raise click.exceptions.Exit(1)


def _import(stream: BufferedReader, media_type: str) -> ImportOutcome:
    media_type = recognise(stream.peek(HEAD_BYTES)[:HEAD_BYTES], media_type)
    if media_type != XLSX:
        with reading(stream, "importing") as watched:
            return import_loads(read_loads(watched, media_type))
    if stream.seekable():
        return import_loads(read_loads(stream, media_type))
    with TemporaryFile() as file:  # a workbook is not read from its beginning to its end
        shutil.copyfileobj(stream, file)
        return import_loads(read_loads(file, media_type))


def _open(file: str) -> BufferedReader:
    try:
        return cast(BufferedReader, click.open_file(file, "rb"))
    except OSError as error:
        raise click.FileError(file, error.strerror) from error


@click.command(cls=Command)
@click.argument("email")
@with_appcontext
def token(email: str) -> None:
    """Print an access token of the user with this EMAIL, and nothing else.

    For scripts: TOKEN=$(flask token demo@billor.example)
    """
    user = existing_user(email)
    if not user.is_active:
        raise click.ClickException(f"User {user.id} is deactivated: no token would be valid.")
    click.echo(issue_token(user))


@click.command("dead-letters", cls=Command)
@click.option("--replay", metavar="ID", help="Record this one now, after a fix.")
@with_appcontext
def dead_letters_command(replay: str | None) -> None:
    """List the messages that could not be recorded, or record one of them."""
    store = audit_store()
    try:
        if replay is None:
            click.echo(dead_letters.describe(store.dead_letters()))
        else:
            event_id = dead_letters.replay(store, replay)
            click.echo(f"Event {event_id} is in the audit trail now.")
    except (dead_letters.NotReplayed, StoreUnavailable) as error:
        raise click.ClickException(str(error)) from error
