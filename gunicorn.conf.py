"""Configuration of `gunicorn wsgi:app`."""

from gevent import monkey

monkey.patch_all()  # before anything imports what it patches

import os  # noqa: E402
import resource  # noqa: E402
import shutil  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
from typing import NoReturn  # noqa: E402

# The metrics of all processes, for prometheus_client, which looks for the folder at its import. A
# reload keeps it, and a master that another one has started has its own.
FOLDER_OF_METRICS = "PROMETHEUS_MULTIPROC_DIR"
OURS = f"billor-metrics-{os.getpid()}-"
if OURS not in os.environ.get(FOLDER_OF_METRICS, ""):
    os.environ[FOLDER_OF_METRICS] = tempfile.mkdtemp(prefix=OURS)

from prometheus_client.multiprocess import mark_process_dead  # noqa: E402

from billor.config import ConfigError, load_config  # noqa: E402
from billor.observe.logs import init_logging  # noqa: E402


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
worker_class = "billor.api.server.BillorWorker"
workers = settings.web_workers
worker_connections = 10_000  # of each worker; more clients wait to be accepted
preload_app = False  # connections made before a fork would be shared
timeout = 30
graceful_timeout = 8
keepalive = 30
loglevel = "warning"
logger_class = "billor.api.server.GunicornLogger"
control_socket_disable = True  # unused, and slows down shutdown

# Only ProxyFix trusts headers of proxies (see billor.api.middleware), from TRUSTED_PROXIES.
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
