"""The WSGI application, for gunicorn and for the `flask` command."""

import sys

from billor import create_app
from billor.config import ConfigError

try:
    app = create_app()
except ConfigError as error:
    sys.exit(f"billor: {error}")
