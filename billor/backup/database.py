"""Dumps of PostgreSQL by its own programs, and how they are loaded: all of it, or nothing."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, BinaryIO, cast

from psycopg2 import extensions

from billor.backup.programs import Programs
from billor.backup.server import BackupFailed, Server
from billor.database import CONNECT_SECONDS
from billor.logs import first_line
from billor.manifest import open_private

# Sessions are over with a restore. What is not logged is not worth a backup, either.
LEFT_OUT = ("--exclude-table-data=public.sessions", "--no-unlogged-table-data")
# No password is in a command line, which others can see.
PASSWORD = "PGPASSWORD"  # noqa: S105 - the variable's name
MORE_EPOCHS = 1000
"""By how much a restore raises the epochs of accounts: more than they can have risen since the
backup, so that no token from then is valid."""

# Also what a newer version has made. What belongs to extensions stays.
DROP_ALL = """
    DO $$
    DECLARE
        statement text;
    BEGIN
        FOR statement IN
            SELECT format('DROP %s IF EXISTS %s CASCADE', kind, name) FROM (
                SELECT 'TABLE' AS kind, oid, oid::regclass::text AS name FROM pg_class
                WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
                UNION ALL
                SELECT 'ROUTINE', oid, oid::regprocedure::text FROM pg_proc
                WHERE pronamespace = 'public'::regnamespace
            ) AS thing
            WHERE NOT EXISTS (
                SELECT FROM pg_depend WHERE objid = thing.oid AND deptype = 'e'
            )
        LOOP
            EXECUTE statement;
        END LOOP;
    END
    $$;
"""
BEGIN = f"""
    SET client_min_messages = warning;
    SET statement_timeout = 0;
    BEGIN;
    SET LOCAL lock_timeout = '30s';
    {DROP_ALL}
"""
# While rows come in, so that none has to be written twice. Numbers of transactions are those of
# the cluster that was backed up. An event whose document may not be in the copy of the audit store
# is not confirmed, and the outbox publishes again what is not: the bus may have lost it.
ADAPT = """
    CREATE FUNCTION public.adapt_event() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        NEW.transaction_id = NULL;
        IF NEW.recorded_at >= '{began_at}' THEN
            NEW.recorded_at = NULL;
        END IF;
        IF NEW.recorded_at IS NULL THEN
            NEW.published_at = NULL;
        END IF;
        RETURN NEW;
    END
    $$;
    CREATE TRIGGER adapt_event BEFORE INSERT ON public.load_events
        FOR EACH ROW EXECUTE FUNCTION public.adapt_event();
"""
ADAPTED = """
    DROP TRIGGER adapt_event ON public.load_events;
    DROP FUNCTION public.adapt_event();
"""
END = f"""
    INSERT INTO public.restores (backup_began_at) VALUES ('{{began_at}}');
    UPDATE public.users SET epoch = epoch + {MORE_EPOCHS};
    COMMIT;
    ANALYZE;
"""  # noqa: S608 - of constants


def dump(server: Server, programs: Programs, file: Path) -> None:
    """Write a dump of the database, in `pg_dump`'s custom format. Raises `BackupFailed`."""
    address, environment = _address(server.url)
    command: list[str | Path] = [
        *(programs.folder / "pg_dump", "--format=custom", "--no-owner", "--no-privileges"),
        *(*LEFT_OUT, f"--dbname={address}"),
    ]
    with open_private(file) as output, TemporaryFile() as told:
        done = subprocess.run(  # noqa: S603
            command, stdout=output, stderr=told, env=environment, check=False
        )
        output.flush()
        os.fsync(output.fileno())
        _check("pg_dump", done.returncode, told)


def load(server: Server, programs: Programs, file: Path, began_at: datetime) -> None:
    """Replace all that is in the database by a dump, in one transaction. Raises `BackupFailed`.

    Events that were confirmed since the backup began, with the copy of the audit store, are to be
    published again.
    """
    address, environment = _address(server.url)
    command: list[str | Path] = [
        *(programs.folder / "psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"),
        *("--file=-", f"--dbname={address}"),
    ]
    with TemporaryFile() as told:
        psql = subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=told,
            env=environment,
        )
        script = cast(BinaryIO, psql.stdin)
        try:
            with suppress(BrokenPipeError):  # psql says below why it has ended
                # Without its COMMIT nothing of it stays, wherever it ends.
                _write(script, BEGIN)
                _write_section(script, programs, file, "pre-data")
                _write(script, ADAPT.format(began_at=began_at.isoformat()))
                _write_section(script, programs, file, "data")
                _write(script, ADAPTED)
                _write_section(script, programs, file, "post-data")
                _write(script, END.format(began_at=began_at.isoformat()))
        finally:
            with suppress(BrokenPipeError):
                script.close()
            status = psql.wait()
        _check("psql", status, told)


def _write(script: IO[bytes], statements: str) -> None:
    script.write(statements.encode())
    script.flush()


def _write_section(script: BinaryIO, programs: Programs, file: Path, section: str) -> None:
    """Write one section of a dump as SQL."""
    command: list[str | Path] = [
        *(programs.folder / "pg_restore", f"--section={section}", "--file=-"),
        *("--no-owner", "--no-privileges", "--no-comments", file),
    ]
    with (
        TemporaryFile() as told,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=told) as process,  # noqa: S603
    ):
        shutil.copyfileobj(cast(BinaryIO, process.stdout), script)
        _check("pg_restore", process.wait(), told)


def _check(name: str, status: int, told: IO[bytes]) -> None:
    """Raise `BackupFailed` with what a failed program has said first."""
    if status:
        told.seek(0)
        reason = first_line(told.read(10_000).decode(errors="replace"))
        raise BackupFailed(f"{name} failed: {reason or f'status {status}'}")


def _address(url: str) -> tuple[str, Mapping[str, str]]:
    """Return how libpq's programs are told where to connect: an argument, and an environment."""
    parts = extensions.parse_dsn(url)
    password = parts.pop("password", None)
    environment = {**os.environ, "PGCONNECT_TIMEOUT": str(CONNECT_SECONDS)}
    if password is not None:
        environment[PASSWORD] = password
    return extensions.make_dsn(**parts), environment
