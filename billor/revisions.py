"""Revisions of the database: which there are, and which it has."""

from pathlib import Path

import flask_migrate
from alembic.script import ScriptDirectory
from alembic.util import CommandError

MIGRATIONS = Path(__file__).parents[1] / "migrations"


def newest_revision() -> str:
    """Return the revision that this version of Billor needs."""
    return str(_scripts().get_current_head())


def is_known(revision: str) -> bool:
    """Return whether this version of Billor has the revision."""
    try:
        return bool(_scripts().get_revision(revision))
    except CommandError:
        return False


def pending_revisions(current: str | None) -> list[str]:
    """Return the revisions after the current one, which must be known; None is before the first."""
    scripts = _scripts().iterate_revisions("head", current or "base")
    return [script.revision for script in scripts][::-1]


def upgrade() -> None:
    """Run the migrations that the app's database lacks. Needs an application context."""
    flask_migrate.upgrade(directory=str(MIGRATIONS))


def _scripts() -> ScriptDirectory:
    return ScriptDirectory(str(MIGRATIONS))
