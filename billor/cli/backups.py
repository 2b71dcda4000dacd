"""The commands `flask backup` and `flask restore`."""

from pathlib import Path
from typing import Any

import click
from flask import current_app
from flask.cli import with_appcontext

from billor.audit.service import audit_store
from billor.backup import service
from billor.cli.command import Command
from billor.logs import printable

FOLDER = click.argument("folder", type=click.Path(path_type=Path, file_okay=False))


@click.command(cls=Command)
@FOLDER
@with_appcontext
def backup(folder: Path) -> None:
    """Write a backup of PostgreSQL and the audit store into a new FOLDER.

    Everything may run meanwhile. Settings are not in it, and so no secrets; but all data is, with
    the hashes of passwords: keep it as you keep the database. Needs PostgreSQL's pg_dump.
    """
    manifest = service.back_up(current_app.config["BILLOR"], audit_store(), folder)
    size = sum(file["bytes"] for file in manifest["files"].values())
    click.echo(f"{_counted(manifest)} and PostgreSQL are in {folder}, {size:,} bytes.")


@click.command(cls=Command)
@FOLDER
@click.option("--replace", is_flag=True, help="Remove all data that is there before.")
@with_appcontext
def restore(folder: Path, replace: bool) -> None:
    """Bring back all that is in the backup in FOLDER.

    Stop all APIs and workers before. Everybody has to log in again. What was under way to the audit
    trail goes there when a worker runs. After an interruption, say it again with --replace.
    """
    config = current_app.config["BILLOR"]
    manifest = service.restore(config, audit_store(), folder, replace=replace)
    click.echo(f"{_counted(manifest)} and PostgreSQL are as of {manifest['beganAt']}.")
    try:
        service.forget_messages(config)
    except Exception as error:  # the bus's client raises arbitrary exceptions
        click.echo(
            f"Delete the subscription {config.pubsub_subscription} before a worker starts, or it "
            f"records what is no more; it could not be deleted: {printable(str(error))}",
            err=True,
        )


def _counted(manifest: dict[str, Any]) -> str:
    files = manifest["files"]
    documents = files[service.DOCUMENTS]["lines"]
    return f"{documents:,} audit documents, {files[service.DEAD_LETTERS]['lines']:,} dead letters"
