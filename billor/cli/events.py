"""The commands of `flask events`."""

from pathlib import Path

import click
from flask import current_app
from flask.cli import with_appcontext

from billor.archive.service import Archiver
from billor.audit.service import audit_store
from billor.cli.command import Command
from billor.config import LEAST_RETENTION_DAYS


@click.group()
def events() -> None:
    """Care for what happened long ago."""


@events.command(cls=Command)
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--older-than-days",
    "days",
    type=click.IntRange(min=LEAST_RETENTION_DAYS),
    help="How long it must have been settled; RETENTION_DAYS if not given.",
)
@with_appcontext
def archive(folder: Path, days: int | None) -> None:
    """Move what was settled long ago to files in FOLDER, each run to a folder of its own.

    That is events of closed loads, of drivers and of accounts, with their audit documents, and
    assignments of COMPLETED loads. Loads, drivers and users stay. Everything may run meanwhile, and
    so may another archiving. Safe to interrupt and to repeat: each batch is deleted after its file
    was checked.
    """
    days = days or current_app.config["BILLOR"].retention_days
    if days is None:
        raise click.ClickException("How old? Set RETENTION_DAYS, or say --older-than-days.")
    archiver = Archiver(audit_store(), folder, days)
    done = archiver.run()
    click.echo(
        f"{done.events:,} events, {done.assignments:,} assignments and {done.documents:,} audit "
        f"documents are in {archiver.folder}."
        if archiver.folder
        else f"Nothing was settled more than {days} days ago."
    )
