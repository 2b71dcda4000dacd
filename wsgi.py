"""The WSGI application, for gunicorn and for the `flask` command."""

import sys

from billor import create_app
from billor.config import ConfigError
from billor.observe.logs import init_standard_error

try:
    init_standard_error()
    app = create_app()
except ConfigError as error:
    sys.exit(f"billor: {error}")
