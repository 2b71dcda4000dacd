"""Configuration of `gunicorn wsgi:app`."""

from gevent import monkey

monkey.patch_all()  # before anything imports what it patches

import fcntl  # noqa: E402
import os  # noqa: E402
import resource  # noqa: E402
import shutil  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
from contextlib import suppress  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import NoReturn  # noqa: E402

FOLDER_OF_METRICS = "PROMETHEUS_MULTIPROC_DIR"
ALL_OF_THEM = "billor-prometheus-"
OURS = f"{ALL_OF_THEM}{os.getpid()}-"


def make_folder() -> Path:
    """Make a folder that is locked until the master and all of its workers have ended.

    Others find it only then, by its name without the dot.
    """
    fresh = Path(tempfile.mkdtemp(prefix=f".{OURS}"))
    fcntl.flock(os.open(fresh, os.O_DIRECTORY), fcntl.LOCK_SH)
    return fresh.rename(fresh.with_name(fresh.name.removeprefix(".")))


def remove_abandoned_folders() -> None:
    """Remove the folders that nobody has locked: their masters were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{ALL_OF_THEM}*"):
        with suppress(OSError):  # it is in use, of another user, or removed by another just now
            descriptor = os.open(folder, os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder)
            finally:
                os.close(descriptor)


# The metrics of all processes, for the client library of Prometheus, which looks for it at its
# import. A reload keeps it, and a master that has been started by another has its own.
if OURS not in os.environ.get(FOLDER_OF_METRICS, ""):
    remove_abandoned_folders()
    os.environ[FOLDER_OF_METRICS] = str(make_folder())

from prometheus_client.multiprocess import mark_process_dead  # noqa: E402

from billor.config import ConfigError, load_config  # noqa: E402
from billor.logs import init_logging  # noqa: E402


def on_exit(_arbiter=None) -> None:
    """Remove what is kept for as long as the server runs."""
    shutil.rmtree(os.environ[FOLDER_OF_METRICS], ignore_errors=True)


def refuse(error: ConfigError) -> NoReturn:
    """End with one line that names a setting."""
    on_exit()
    sys.exit(f"billor: {error}")


try:
    settings = load_config()
except ConfigError as error:
    refuse(error)
init_logging(settings)

bind = settings.address
worker_class = "billor.server.BillorWorker"
workers = settings.web_workers
worker_connections = 10_000  # of each worker; more clients wait to be accepted
preload_app = False  # connections made before a fork would be shared
timeout = 30
graceful_timeout = 8
keepalive = 30
loglevel = "warning"
logger_class = "billor.server.GunicornLogger"
control_socket_disable = True  # unused, and slows down shutdown

# Only ProxyFix trusts headers of proxies (see billor.http.middleware), from TRUSTED_PROXIES.
secure_scheme_headers: dict[str, str] = {}
forwarder_headers = ""
header_map = "drop"  # names with underscores, which look like others to WSGI
proxy_protocol = "off"

# Every client needs an open file.
_, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))


def child_exit(_arbiter, worker) -> None:
    """Forget what the process had open; what it has counted stays."""
    mark_process_dead(worker.pid)
