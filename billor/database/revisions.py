"""The migrations, for `flask db` and for those who start a system.

Alembic is imported on use: a server, which has none, starts sooner and is 12 MB smaller.
"""

from pathlib import Path

from flask import Flask, current_app

from billor.models import db

MIGRATIONS = Path(__file__).parents[2] / "migrations"


def init_migrations(app: Flask) -> None:
    """Let `flask db` migrate the app's database."""
    from flask_migrate import Migrate

    Migrate(app, db, directory=str(MIGRATIONS))


def upgrade() -> None:
    """Run the migrations that the app's database lacks. Needs an application context."""
    import flask_migrate

    init_migrations(current_app._get_current_object())  # type: ignore[attr-defined]
    flask_migrate.upgrade()
