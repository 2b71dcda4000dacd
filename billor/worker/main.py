"""Runs the jobs of the relay and the consumer in threads of one process, until stopped."""

import argparse
import logging
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from threading import Event, Thread

from flask import Flask, Response, request
from werkzeug.serving import make_server

from billor.audit.store import AuditStore
from billor.config import API_VERSION, Config, ConfigError
from billor.events.bus import Bus, connect_bus
from billor.models import Channel
from billor.observe import metrics
from billor.observe.logs import init_standard_error
from billor.worker.consumer import Consumer
from billor.worker.notify import connect_services, notify_drivers, send_next, services
from billor.worker.outage import run_with_backoff
from billor.worker.relay import run_relay
from billor.worker.upkeep import run_upkeep
from billor.worker.webhooks import Deliverer

logger = logging.getLogger(__name__)

ROLES = ("relay", "consumer")
HEARTBEAT_FILE = "worker.alive"  # in BILLOR_HOME; touched while the worker runs
# Python runs signal handlers only in the main thread, which must wake up for them.
BEAT_SECONDS = 0.5
SENDERS = 4  # of each channel that has a service: no slow recipient keeps the others waiting
IDLE_SECONDS, SENDER_IDLE_SECONDS = 2, 5
STOP_SECONDS = 7


class Worker:
    def __init__(self, app: Flask, bus: Bus, store: AuditStore, roles: tuple[str, ...] = ROLES):
        self._app = app
        self._bus = bus
        self._store = store
        self._roles = roles
        self._stop = Event()
        self._failed = False

    def stop(self) -> None:
        self._stop.set()

    def run(self) -> int:
        """Work until `stop` is called or a thread fails; return the exit status."""
        jobs: dict[str, Callable[[Event], None]] = {}
        if "relay" in self._roles:
            jobs["relay"] = partial(run_relay, self._bus)
            jobs["webhooks"] = Deliverer().run
        consumer = None
        if "consumer" in self._roles:
            consumer = Consumer(self._bus, self._store)
            jobs["consumer"] = consumer.run
            jobs["notifier"] = partial(run_with_backoff, notify_drivers, idle_seconds=IDLE_SECONDS)
            served = {Channel.PUSH, *services(self._app.config["BILLOR"])}
            for channel in Channel:
                step = partial(send_next, channel)
                send = partial(run_with_backoff, step, idle_seconds=SENDER_IDLE_SECONDS)
                for number in range(SENDERS if channel in served else 1):
                    jobs[f"{channel} sender {number}"] = send
        jobs["upkeep"] = partial(run_upkeep, self._bus, consumer)
        threads = [
            Thread(target=self._guarded, args=(job,), name=name, daemon=True)
            for name, job in jobs.items()
        ]
        for thread in threads:
            thread.start()
        logger.info("Worker started: %s", " and ".join(self._roles))
        while not self._stop.wait(BEAT_SECONDS):
            with suppress(OSError):  # a full disk is no reason to stop
                (self._app.config["BILLOR"].home / HEARTBEAT_FILE).touch(mode=0o600)
        return self._shut_down(threads)

    def _guarded(self, job: Callable[[Event], None]) -> None:
        """Run a job. If it fails, the worker exits, and its supervisor restarts it."""
        try:
            with self._app.app_context():
                job(self._stop)
        except BaseException as error:  # else a library's panic ends the thread silently
            logger.critical("Worker failed: %s: %s", type(error).__name__, error)
            self._failed = True
            self._stop.set()

    def _shut_down(self, threads: list[Thread]) -> int:
        """Wait for the threads; return the exit status."""
        logger.info("Worker stopping")
        deadline = time.monotonic() + STOP_SECONDS
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        if unfinished := [thread.name for thread in threads if thread.is_alive()]:
            # A service hangs. What was not committed or acked is redelivered.
            logger.warning("Still running at shutdown: %s", ", ".join(unfinished))
        self._bus.close()
        logger.info("Worker stopped")
        return 1 if self._failed else 0


def main(create_app: Callable[[], Flask], argv: list[str] | None = None) -> int:
    """Parse the command line and run the worker; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="worker.py", description="Publish events and write the audit trail, until stopped."
    )
    parser.add_argument(
        "role",
        nargs="?",
        choices=ROLES,
        help="run only the relay, which publishes and posts events, or the consumer, which records",
    )
    try:
        init_standard_error()
        role = parser.parse_args(argv).role
        app = create_app()
        config = app.config["BILLOR"]
        if role and config.pubsub_project_id is None:
            raise ConfigError(
                "PUBSUB_PROJECT_ID is not set, and without Pub/Sub relay and consumer must share a "
                "process: run `python worker.py`."
            )
        if role != "relay":
            connect_services(config)
        _serve_metrics(config)
        bus = connect_bus(config)
    except ConfigError as error:
        print(f"billor: {error}", file=sys.stderr)
        return 1
    worker = Worker(app, bus, app.extensions["audit_store"], (role,) if role else ROLES)
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signal_number, lambda *_: worker.stop())
    return worker.run()


def _serve_metrics(config: Config) -> None:
    """Serve `/metrics` in threads if METRICS_PORT is set. Exits if the port is in use."""
    if config.metrics_port is None:
        return
    app = Flask(__name__, static_folder=None)

    @app.get("/metrics")
    def get_metrics() -> Response:
        token = config.metrics_token
        if token and not metrics.has_token(request.environ, token):
            return Response(status=401, headers={"WWW-Authenticate": "Bearer"})
        return Response(metrics.export(API_VERSION), content_type=metrics.CONTENT_TYPE)

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # no line for each request
    server = make_server(config.bind, config.metrics_port, app, threaded=True)
    Thread(target=server.serve_forever, name="metrics", daemon=True).start()
