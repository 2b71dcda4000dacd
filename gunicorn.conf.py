"""Configuration of `gunicorn wsgi:app`."""

from gevent import monkey

monkey.patch_all()  # before anything imports what it patches

import gc  # noqa: E402
import os  # noqa: E402
import resource  # noqa: E402
import shutil  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402

# The folder with the metrics of all processes, which prometheus_client needs when it is imported. A
# reload keeps it; a new master process (USR2) gets its own.
METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
OURS = f"billor-metrics-{os.getpid()}-"
if OURS not in os.environ.get(METRICS_FOLDER, ""):
    os.environ[METRICS_FOLDER] = tempfile.mkdtemp(prefix=OURS)

from prometheus_client.multiprocess import mark_process_dead  # noqa: E402

from billor.config import ConfigError, load_config  # noqa: E402
from billor.observe.logs import init_logging, init_standard_error  # noqa: E402


def on_exit(_arbiter=None) -> None:
    """Remove the metrics of this server."""
    shutil.rmtree(os.environ[METRICS_FOLDER], ignore_errors=True)


os.umask(0o077)  # whatever is made is its owner's
try:
    init_standard_error()
    settings = load_config()
except ConfigError as error:
    on_exit()
    sys.exit(f"billor: {error}")
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

# Headers of proxies are left to ProxyFix and TRUSTED_PROXIES (see billor.api.middleware).
secure_scheme_headers: dict[str, str] = {}
forwarder_headers = ""
header_map = "drop"  # WSGI confuses names with underscores with other headers
proxy_protocol = "off"

# Every client needs an open file.
_, max_files = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (max_files, max_files))


def pre_fork(_arbiter, _worker) -> None:
    """Have the processes share what is imported: garbage collection would write to all of it."""
    gc.freeze()


def worker_exit(_arbiter, worker) -> None:
    """Remove the metrics of a master that was killed: its processes end by themselves."""
    if os.getppid() != worker.ppid:
        on_exit()


def child_exit(_arbiter, worker) -> None:
    """Drop the gauges of a process that has ended; its counters stay."""
    mark_process_dead(worker.pid)
