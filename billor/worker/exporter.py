"""The worker's metrics over HTTP, for Prometheus, if METRICS_PORT is set."""

import logging
from threading import Thread

from flask import Flask, Response, request
from werkzeug.serving import make_server

from billor.auth.guard import is_metrics_token
from billor.config import API_VERSION, Config
from billor.observe import metrics


def serve_metrics(config: Config) -> None:
    """Serve `/metrics` in threads if METRICS_PORT is set. Exits if the port is in use.

    It requires the METRICS_TOKEN if one is set.
    """
    if config.metrics_port is None:
        return
    app = Flask(__name__, static_folder=None)

    @app.get("/metrics")
    def get_metrics() -> Response:
        authorization = request.headers.get("Authorization", "")
        if config.metrics_token and not is_metrics_token(authorization, config):
            return Response(status=401, headers={"WWW-Authenticate": "Bearer"})
        return Response(metrics.export(API_VERSION), content_type=metrics.CONTENT_TYPE)

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # no line for each request
    server = make_server(config.bind, config.metrics_port, app, threaded=True)
    Thread(target=server.serve_forever, name="metrics", daemon=True).start()
