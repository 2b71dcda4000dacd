"""gunicorn: `gunicorn wsgi:app` takes everything from here."""

import sys

from billor.config import ConfigError, load_config

try:
    billor = load_config()
except ConfigError as error:
    sys.exit(f"billor: {error}")

bind = f"{billor.host}:{billor.port}"
worker_class = "gthread"
workers = billor.web_workers
threads = billor.web_threads
preload_app = False  # connections made before a fork would be shared
timeout = 30
graceful_timeout = 10
keepalive = 30
loglevel = "warning"
