"""The checks of settings and services."""

import shutil
import time
from collections.abc import Iterator
from contextlib import closing

from redis.exceptions import RedisError

from billor.audit.service import audit_store
from billor.audit.store import StoreUnavailable
from billor.cache.backend import GENERATION_KEY, redis_backend
from billor.config import Config
from billor.doctor.database import check_postgresql
from billor.doctor.findings import Check, Finding, look, ok, reason, wrong
from billor.events.connect import connect_bus
from billor.health.checks import (
    OUTBOX_LATE_SECONDS,
    UNRECORDED_LATE_SECONDS,
    Waiting,
    check_dependencies,
)
from billor.worker.main import HEARTBEAT_FILE

FEWEST_CHARACTERS = 10
"""Different ones, that a random secret has."""
HEARTBEAT_SECONDS = 60
LEAST_FREE = 0.05
RANDOM = "python -c 'import secrets; print(secrets.token_urlsafe(48))'"


def check_settings(config: Config) -> Iterator[Finding]:
    """Find what is weak in the settings, as far as they are known."""
    findings = list(_of_production(config) if config.is_production else _of_development(config))
    yield from findings or [ok("settings", f"{config.environment}; the API is at {config.address}")]


def _of_production(config: Config) -> Iterator[Finding]:
    if len(set(config.jwt_secret_key)) < FEWEST_CHARACTERS:
        told = "JWT_SECRET_KEY can be guessed"
        yield wrong("settings", told, f"Set it to the output of {RANDOM}; all log in again.")
    if not config.trusted_proxies:
        told = "TRUSTED_PROXIES is 0: without a proxy there is no TLS"
        yield look("settings", told, "Put one in front, and set how many there are.")
    if not config.trusted_hosts:
        told = "TRUSTED_HOSTS is not set: links lead wherever a client says"
        yield look("settings", told, "Set it to the API's names.")
    if "*" in config.cors_origins:
        told = "CORS_ORIGINS allows any page to call the API"
        yield look("settings", told, "Name the origins.")
    if config.couchdb_url is None:
        told = "COUCHDB_URL is not set: the audit trail is a file of this machine"
        yield look("settings", told, "Set it, unless one machine is all there is.")


def _of_development(config: Config) -> Iterator[Finding]:
    if not config.trusted_hosts:
        told = "BILLOR_ENV is development, and others than this machine may call the API"
        yield look("settings", told, "Set BILLOR_ENV=production.")


def check_redis(_config: Config) -> Iterator[Finding]:
    """Find whether Redis answers what a page needs."""
    backend = redis_backend()
    if backend is None:
        told = "REDIS_URL is not set: each page is read from PostgreSQL"
        yield look("Redis", told, "Set it.")
        return
    try:
        backend.get_many(GENERATION_KEY, "probe")
    except RedisError as error:
        told = f"away: {reason(error)}"
        yield wrong("Redis", told, "Check it, and REDIS_URL: docs/runbook.md#redis-away")
    else:
        yield ok("Redis", "answers")


def check_audit_store(config: Config) -> Iterator[Finding]:
    """Find whether the audit store answers, and whether it has dead letters."""
    store, name = audit_store(), "CouchDB" if config.couchdb_url else str(config.audit_file)
    try:
        store.ping()
        letters = len(store.dead_letters())
    except StoreUnavailable as error:
        told = f"{name} is away: {reason(error)}"
        yield wrong("audit trail", told, "Check it: docs/runbook.md#audit-away")
        return
    yield ok("audit trail", f"{name} answers")
    if letters:
        told = f"{letters} messages could not be recorded"
        yield look("dead letters", told, "`flask dead-letters`: docs/runbook.md#dead-letters")


def check_bus(config: Config) -> Iterator[Finding]:
    """Find whether topic and subscription are there."""
    if config.pubsub_project_id is None:
        yield ok("Pub/Sub", "not used: events stay in the worker's process")
        return
    try:
        with closing(connect_bus(config)) as bus:
            bus.ping()
    except Exception as error:  # the bus's client raises arbitrary exceptions
        told = f"{type(error).__name__}: {reason(error)}"
        yield wrong(
            "Pub/Sub", told, "Start a worker, which makes both: docs/runbook.md#outbox-late"
        )
    else:
        yield ok("Pub/Sub", f"has {config.pubsub_topic} and {config.pubsub_subscription}")


def check_events(_config: Config) -> Iterator[Finding]:
    """Find whether events are late on their way to the audit trail."""
    lag = check_dependencies().lag
    if lag is None:
        return  # PostgreSQL is away, and the check of it says so
    for waiting, step, seconds, anchor in (
        (lag.unpublished, "published", OUTBOX_LATE_SECONDS, "outbox-late"),
        (lag.unrecorded, "seen in the audit trail", UNRECORDED_LATE_SECONDS, "unrecorded-late"),
    ):
        told = f"{waiting.count:,} wait to be {step}{_since(waiting)}"
        if waiting.is_late(seconds):
            yield wrong("events", told, f"Does a worker run? docs/runbook.md#{anchor}")
        else:
            yield ok("events", told)


def _since(waiting: Waiting) -> str:
    return "" if waiting.oldest_seconds is None else f", for {waiting.oldest_seconds:,.0f} s"


def check_machine(config: Config) -> Iterator[Finding]:
    """Find whether a worker of this machine lives, and whether there is space for its files."""
    heartbeat = config.home / HEARTBEAT_FILE
    if not heartbeat.exists():
        yield ok("worker", "none on this machine")
    elif (age := time.time() - heartbeat.stat().st_mtime) > HEARTBEAT_SECONDS:
        told = f"the one on this machine gave its last sign {age:,.0f} s ago"
        yield look("worker", told, "Start it, if it should run: docs/runbook.md#worker-down")
    else:
        yield ok("worker", "runs on this machine")
    if config.home.exists():
        disk = shutil.disk_usage(config.home)
        if disk.free < LEAST_FREE * disk.total:
            told = f"{disk.free / disk.total:.0%} of that with {config.home} is free"
            yield look("disk", told, "Make room: `flask events archive`, old logs.")


CHECKS: dict[str, Check] = {
    "settings": check_settings,
    "PostgreSQL": check_postgresql,
    "events": check_events,
    "Redis": check_redis,
    "audit trail": check_audit_store,
    "Pub/Sub": check_bus,
    "worker": check_machine,
}
