"""What every benchmark runs on: PostgreSQL and Redis of its own, migrated, with one admin."""

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from flask import Flask

from bench.contenders import PROCESSES
from billor import create_app
from billor.auth.service import issue_token
from billor.config import load_config
from billor.database import upgrade
from billor.models import Role, db
from billor.users.service import create_user
from scripts.launcher import services
from scripts.launcher.processes import Child


@dataclass(frozen=True)
class Environment:
    """Settings for servers, an app for preparing data, a token, and PostgreSQL's process."""

    folder: Path
    settings: dict[str, str]
    app: Flask
    token: str
    postgresql: psutil.Process


@contextmanager
def environment() -> Iterator[Environment]:
    """Start the services in a temporary folder, and stop them after the block."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL may run as another user
        programs = [
            services.postgresql(folder / "postgresql", *(secrets.token_hex() for _ in range(2))),
            services.redis(folder / "redis"),
        ]
        settings = {
            "JWT_SECRET_KEY": secrets.token_hex(),
            "BILLOR_HOME": str(folder / "home"),
            "WEB_WORKERS": str(PROCESSES),
            "DATABASE_POOL_SIZE": "8",
        }
        children = []
        try:
            for program in programs:
                children.append(Child(program, folder / "logs"))
                settings |= program.settings
            for child in children:
                child.wait_until_ready()
            postgresql = psutil.Process(children[0].process.pid)
            app = create_app(load_config({**settings, "LOG_LEVEL": "WARNING"}))
            with app.app_context():
                upgrade()
                token = issue_token(create_user("Bench", "bench@billor.example", role=Role.ADMIN))
                db.session.remove()
            yield Environment(folder, settings, app, token, postgresql)
            with app.app_context():
                db.engine.dispose()
        finally:
            for child in reversed(children):
                child.stop()
