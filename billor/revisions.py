"""Revisions of the database: which there are, and which it has.

Alembic is imported on use: a server, which has none, starts sooner and is 12 MB smaller.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from flask import Flask, current_app

from billor.extensions import db

if TYPE_CHECKING:
    from alembic.script import ScriptDirectory

MIGRATIONS = Path(__file__).parents[1] / "migrations"


def init_migrations(app: Flask) -> None:
    """Let `flask db` migrate the app's database."""
    from flask_migrate import Migrate

    Migrate(app, db, directory=str(MIGRATIONS))


def upgrade() -> None:
    """Run the migrations that the app's database lacks. Needs an application context."""
    import flask_migrate

    init_migrations(current_app._get_current_object())  # type: ignore[attr-defined]
    flask_migrate.upgrade()


def is_known(revision: str) -> bool:
    """Return whether this version of Billor has the revision."""
    return any(script.revision == revision for script in _scripts().walk_revisions())


def pending_revisions(current: str | None) -> list[str]:
    """Return the revisions after the current one, which must be known; None is before the first."""
    scripts = _scripts().iterate_revisions("head", current or "base")
    return [script.revision for script in scripts][::-1]


def _scripts() -> "ScriptDirectory":
    from alembic.script import ScriptDirectory

    return ScriptDirectory(str(MIGRATIONS))
