"""The check of PostgreSQL: the server, the tables, and what should have been tidied up."""

from collections.abc import Iterator
from datetime import timedelta

from sqlalchemy import Connection, exists, func, select, text
from sqlalchemy.exc import OperationalError

from billor.config import DEFAULT_DEMO_PASSWORD, Config
from billor.database import ALLOWED_CONNECTIONS, is_pooled
from billor.doctor.findings import Finding, look, ok, reason, wrong
from billor.extensions import db
from billor.http.idempotency import KEPT_HOURS
from billor.models import IdempotencyKey, LoadEvent, Notification, Session
from billor.revisions import is_known, pending_revisions
from billor.users.passwords import password_matches
from billor.users.service import find_user
from billor.worker.notifications import KEPT_DAYS

OLDEST_VERSION = 14
TIDIED_UP_WITHIN = timedelta(hours=2)
ARCHIVED_WITHIN = timedelta(days=8)
MOST_USED = 0.9
USED_CONNECTIONS = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")


def check_postgresql(config: Config) -> Iterator[Finding]:
    """Find whether PostgreSQL answers, has room and all tables, and is kept tidy."""
    try:
        with db.engine.connect() as connection:
            yield from _server(config, connection)
            revision = _revision(connection)
            yield revision
            if revision.next_step:
                return  # other tables may be missing
            yield from _bookkeeping(config, connection)
    except OperationalError as error:
        told = f"away: {reason(error.orig or error)}"
        yield wrong(
            "PostgreSQL", told, "Check it, and DATABASE_URL: docs/runbook.md#postgresql-away"
        )
        return
    yield from _demo_user(config)


def _server(config: Config, connection: Connection) -> Iterator[Finding]:
    version = connection.scalar(text("SELECT current_setting('server_version')"))
    used = connection.scalar(USED_CONNECTIONS)
    if is_pooled(connection.connection):
        yield ok("PostgreSQL", f"{version}, behind a connection pooler")
        if config.database_migration_url is None:
            told = "is not set, and the pooler does for neither migrations nor backups"
            step = "Set it to the address of PostgreSQL itself."
            yield wrong("PostgreSQL", f"DATABASE_MIGRATION_URL {told}", step)
        return
    allowed = connection.scalar(text(ALLOWED_CONNECTIONS))
    wanted = (config.web_workers + 1) * config.database_pool_size
    told = f"{version}; {used} connections of {allowed}, of which this machine may take {wanted}"
    if int(version.split(".")[0]) < OLDEST_VERSION:
        yield wrong("PostgreSQL", told, f"Upgrade it to {OLDEST_VERSION} or later.")
    elif wanted > allowed or used > MOST_USED * allowed:
        yield wrong("PostgreSQL", told, "Raise its limit: docs/runbook.md#pool-exhausted")
    else:
        yield ok("PostgreSQL", told)


def _revision(connection: Connection) -> Finding:
    is_migrated = connection.scalar(text("SELECT to_regclass('alembic_version') IS NOT NULL"))
    current = is_migrated and connection.scalar(text("SELECT version_num FROM alembic_version"))
    if current and not is_known(current):
        told = f"the database is of a newer version, revision {current}"
        return wrong("migrations", told, "Run that version of Billor.")
    pending = pending_revisions(current or None)
    if pending:
        told = f"{len(pending)} pending, {pending[0]} to {pending[-1]}"
        return wrong("migrations", told, "`flask db upgrade`")
    return ok("migrations", f"none pending; the revision is {current}")


def _bookkeeping(config: Config, connection: Connection) -> Iterator[Finding]:
    late = func.now() - TIDIED_UP_WITHIN
    expired = {
        "Idempotency-Keys": IdempotencyKey.created_at < late - timedelta(hours=KEPT_HOURS),
        "sessions": Session.expires_at < late,
        "marks of notifications": (Notification.sent_at < late - timedelta(days=KEPT_DAYS))
        & exists().where(LoadEvent.id == Notification.event_id, LoadEvent.recorded_at.is_not(None)),
    }
    left = [
        name
        for name, is_left in expired.items()
        if connection.scalar(select(exists().where(is_left)))
    ]
    if left:
        told = f"expired {', '.join(left)} are still there"
        yield look("bookkeeping", told, "Does a worker run that has the relay? It tidies up.")
    if config.retention_days is not None:
        before = func.now() - timedelta(days=config.retention_days) - ARCHIVED_WITHIN
        is_settled = LoadEvent.load_id.is_(None) & LoadEvent.recorded_at.is_not(None)
        if connection.scalar(select(exists().where(is_settled, LoadEvent.created_at < before))):
            told = f"events are older than RETENTION_DAYS={config.retention_days}"
            yield look("retention", told, "`flask events archive FOLDER`, each day or week.")


def _demo_user(config: Config) -> Iterator[Finding]:
    if not config.is_production:
        return
    user = find_user(config.demo_email)
    if user and user.is_active and password_matches(user.password_hash, DEFAULT_DEMO_PASSWORD):
        told = f"{config.demo_email} has the publicly known password"
        yield wrong("accounts", told, f"`flask users set-password {config.demo_email}`")
