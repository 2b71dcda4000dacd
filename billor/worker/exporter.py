"""The worker's metrics over HTTP, for Prometheus, if METRICS_PORT is set."""

from socket import AF_INET, AF_INET6
from socketserver import ThreadingMixIn
from threading import Thread
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from flask import Flask, Response, request

from billor import metrics
from billor.auth.guard import is_metrics_token
from billor.config import Config, ConfigError
from billor.errors import AuthenticationFailed
from billor.http.api import API_VERSION
from billor.http.problems import init_problems

CLIENT_SECONDS = 10


class _Handler(WSGIRequestHandler):
    timeout = CLIENT_SECONDS

    def log_message(self, *_) -> None:
        """Leave out the line of each request."""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def __init__(self, config: Config):
        self.address_family = AF_INET6 if ":" in config.bind else AF_INET
        super().__init__((config.bind, config.metrics_port or 0), _Handler)
        self.set_app(make_exporter(config))


def make_exporter(config: Config) -> Flask:
    """Return an application with `/metrics`, for whoever has the METRICS_TOKEN, if one is set."""
    app = Flask(__name__, static_folder=None)
    init_problems(app)

    @app.get("/metrics")
    def get_metrics() -> Response:
        authorization = request.headers.get("Authorization", "")
        if config.metrics_token and not is_metrics_token(authorization, config):
            raise AuthenticationFailed("token_invalid" if authorization else "token_missing")
        return Response(metrics.export(API_VERSION), content_type=metrics.CONTENT_TYPE)

    return app


def serve_metrics(config: Config) -> None:
    """Serve metrics in threads of its own, if there is a port for it. Raises `ConfigError`."""
    if config.metrics_port is None:
        return
    try:
        server = _Server(config)
    except OSError as error:
        raise ConfigError(
            f"METRICS_PORT {config.metrics_port} cannot be used ({error.strerror}): "
            "set another one for each worker of a machine."
        ) from error
    Thread(target=server.serve_forever, name="metrics", daemon=True).start()
