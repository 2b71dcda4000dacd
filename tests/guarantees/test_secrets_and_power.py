"""Promise 9: PostgreSQL logs no secret, and every role has the least privilege."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from psycopg2 import errors
from sqlalchemy.engine import make_url

from scripts.launcher import services
from scripts.launcher.launcher import PROJECT
from tests.support import databases
from tests.support.databases import ADMIN_PASSWORD, admins, run_sql
from tests.support.rival import rival
from tests.support.system import Service, migrate

USER = {"name": "Eve Secret", "email": "eve.secret@billor.example", "password": "the-password"}
DRIVER = {"name": "Adam Secret", "licenseNumber": "SECRET-1"}
SECRETS = ("secret", "argon2", "the-password")


# PostgreSQL's log


def test_no_refused_write_puts_a_secret_into_postgresqls_log(system_without_bus, postgresql):
    system = system_without_bus
    client = system.start_api(workers=1, PGOPTIONS="-c lock_timeout=50ms").client
    driver = client.make_driver("TX-1")
    assert client.post("/drivers", DRIVER).status == 201
    run_sql(system.app, "ALTER TABLE users ADD CONSTRAINT odd CHECK (name !~ 'Odd')")
    before = len(postgresql.log_file.read_bytes())
    try:
        taken = {"licenseNumber": DRIVER["licenseNumber"]}
        assert client.patch(f"/drivers/{driver['id']}", taken).status == 409
        assert client.post("/users", USER | {"name": "Odd Secret"}).status == 500
        with rival(system.app) as other:
            other.execute(
                "INSERT INTO users (name, email) VALUES ('Eve', :email)", email=USER["email"]
            )
            assert client.post("/users", USER).status == 503
    finally:
        run_sql(system.app, "ALTER TABLE users DROP CONSTRAINT odd")
    told = postgresql.log_file.read_bytes()[before:].decode()
    for reason in ('"odd"', "lock timeout"):
        assert reason in told
    assert [secret for secret in SECRETS if secret in told.lower()] == []


# The database's owner


def ask(url: str, query: str) -> list[tuple]:
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


POWERS = """
    SELECT rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls,
        EXISTS (SELECT FROM pg_auth_members WHERE member = pg_roles.oid)
    FROM pg_roles WHERE rolname = current_user
"""


def test_the_apps_role_owns_its_database_and_may_do_nothing_else(postgresql: Service, tmp_path):
    url = postgresql.settings["DATABASE_URL"]
    assert ask(url, POWERS) == [(False,) * 6]
    outside = tmp_path / "outside"
    for forbidden in (
        f"COPY (SELECT 1) TO PROGRAM 'cat > {outside}'",
        f"COPY (SELECT 1) TO '{outside}'",
        "SELECT pg_read_file('/etc/passwd')",
        "CREATE ROLE another",
        "SET log_min_error_statement = error",
        "SELECT rolpassword FROM pg_authid",
    ):
        with pytest.raises(errors.InsufficientPrivilege):
            ask(url, forbidden)
    assert not outside.exists()


@pytest.fixture
def start_own(tmp_path) -> Iterator[Callable[[], Service]]:
    """Starts a PostgreSQL of the test's own, always with the same data."""
    started = []

    def start() -> Service:
        program = services.postgresql(
            tmp_path / "data", ADMIN_PASSWORD, "test-password", durable=False
        )
        started.append(Service(program, tmp_path))
        return started[-1]

    yield start
    for service in started:
        service.stop()


def test_composes_role_owns_its_database_and_may_do_nothing_else(start_own, monkeypatch):
    for module in (services, databases):
        monkeypatch.setattr(module, "ADMIN", "postgres")
    monkeypatch.setattr(services, "DATABASE", "unused")
    admin = make_url(admins(start_own().settings["DATABASE_URL"])).set(database="postgres")
    psql = services.bundled_postgresql() / "psql"
    script = PROJECT / "scripts" / "postgres-role.sql"
    subprocess.run(
        [psql, f"--file={script}", admin.render_as_string(hide_password=False)],
        env={**os.environ, "POSTGRES_PASSWORD": "it's a password"},
        check=True,
    )
    ours = admin.set(username="billor", password="it's a password", database="billor")
    url = ours.render_as_string(hide_password=False)
    assert ask(url, POWERS) == [(False,) * 6]
    migrate(url)
    for password in (ADMIN_PASSWORD, ours.password, ""):
        with pytest.raises(psycopg2.OperationalError, match="password"):
            ask(admin.set(password=password).render_as_string(hide_password=False), "SELECT 1")

    compose = (PROJECT / "docker-compose.yml").read_text()
    assert "./scripts/postgres-role.sql:/docker-entrypoint-initdb.d/" in compose
    assert "://billor:${POSTGRES_PASSWORD:-billor}@postgres:5432/billor\n" in compose
    assert "POSTGRES_USER" not in compose, "postgres, unless it is set"


# Root's privileges

only_as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has privileges to drop")


@only_as_root
def test_postgresql_started_as_root_runs_as_another_user_without_capabilities(postgresql: Service):
    lines = Path(f"/proc/{postgresql.pid}/status").read_text().splitlines()
    status = dict(line.split(":\t", 1) for line in lines)
    for ids in ("Uid", "Gid"):
        assert "0" not in status[ids].split()
    assert status["Groups"].split() == []
    for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(status[kind], 16) == 0, kind


@only_as_root
def test_postgresql_started_as_root_runs_where_only_root_may_enter(
    tmp_path, monkeypatch, start_own
):
    bundled = services.bundled_postgresql()
    installation, package, site = bundled.parents[:3]
    for part in (installation, site / f"{package.name}.libs"):
        shutil.copytree(part, tmp_path / part.relative_to(site))
    hidden = tmp_path / bundled.relative_to(site)
    monkeypatch.setattr(services, "bundled_postgresql", lambda: hidden)
    tmp_path.chmod(0o700)
    for _ in range(2):
        service = start_own()
        assert ask(service.settings["DATABASE_URL"], "SELECT 1") == [(1,)]
        service.stop()
