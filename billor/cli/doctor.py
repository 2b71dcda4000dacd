"""The command `flask doctor`."""

import click
from flask import current_app
from flask.cli import with_appcontext

from billor.cli.command import Command
from billor.doctor.findings import Finding, Level, examine
from billor.http.api import API_VERSION


@click.command(cls=Command)
@with_appcontext
def doctor() -> None:
    """Tell what is configured, reachable, migrated and late, and what to do next.

    The exit status is 0 if nothing is wrong, also if there is something to look at, and 1 if
    something is. It takes a few seconds at most, whatever hangs.
    """
    # Imported here: the API needs none of the worker's parts.
    from billor.doctor.checks import CHECKS

    app = current_app._get_current_object()  # type: ignore[attr-defined]
    findings = examine(app, CHECKS)
    click.echo(f"Billor {API_VERSION}, {app.config['BILLOR'].environment}\n")
    for finding in findings:
        click.echo(_line(finding))
    count = {level: sum(each.level is level for each in findings) for level in Level}
    click.echo(f"\n{count[Level.WRONG]} wrong, {count[Level.LOOK]} to look at.")
    if count[Level.WRONG]:
        raise click.exceptions.Exit(1)


def _line(finding: Finding) -> str:
    line = f"{finding.level:<5}  {finding.subject:<13}  {finding.told}"
    return f"{line}\n{'':<22}→ {finding.next_step}" if finding.next_step else line
