"""The commands of `flask events`."""

from datetime import UTC, datetime

import click
from flask.cli import with_appcontext

from billor.cli.command import Command
from billor.events.outbox import publish_again


@click.group()
def events() -> None:
    """Publish events to the audit trail."""


@events.command(cls=Command)
@click.option("--since", metavar="TIME", help="Only events from this time on, in ISO 8601.")
@with_appcontext
def replay(since: str | None) -> None:
    """Have the worker publish all events again, which rebuilds the audit trail.

    Safe to repeat: each event has one document, however often it is published.
    """
    click.echo(f"{publish_again(_time(since)):,} events will be published again.")


def _time(text: str | None) -> datetime | None:
    try:
        time = text and datetime.fromisoformat(text)
    except ValueError as error:
        message = f"--since {text} is not a time like 2026-11-30T09:00:00Z."
        raise click.ClickException(message) from error
    if not time:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
