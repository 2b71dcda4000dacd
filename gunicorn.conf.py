"""gunicorn: `gunicorn wsgi:app` takes everything from here."""

import sys

from billor.config import ConfigError, load_config

try:
    settings = load_config()
except ConfigError as error:
    sys.exit(f"billor: {error}")

bind = f"{settings.host}:{settings.port}"
worker_class = "billor.gunicorn_worker.BillorWorker"
workers = settings.web_workers
threads = settings.web_threads
preload_app = False  # connections made before a fork would be shared
timeout = 30
graceful_timeout = 8
keepalive = 30
loglevel = "warning"
control_socket_disable = True  # nobody uses it, and it makes stopping slow
