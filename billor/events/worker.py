"""Runs relay and consumer in threads of one process until it is told to stop."""

import argparse
import logging
import signal
from collections.abc import Callable
from threading import Event, Thread

from flask import Flask

from billor import create_app
from billor.audit.store import AuditStore
from billor.config import ConfigError
from billor.events.bus import Bus, connect_bus
from billor.events.consumer import Consumer
from billor.events.notifications import notify_driver
from billor.events.outage import Outage
from billor.events.relay import Relay

logger = logging.getLogger(__name__)

ROLES = ("relay", "consumer")
STOP_SECONDS = 10
"""How long the work in hand may take to finish once told to stop."""


class Worker:
    """The relay, the consumer, or both, over one bus."""

    def __init__(self, app: Flask, bus: Bus, store: AuditStore, roles: tuple[str, ...] = ROLES):
        self._app = app
        self._bus = bus
        self._store = store
        self._roles = roles
        self._stop_relay = Event()
        self._stop_consumer = Event()
        self._done = Event()
        self._failed = False

    def stop(self) -> None:
        """Have `run` finish what is in hand and return."""
        self._done.set()

    def run(self) -> int:
        """Work until `stop` is called or something fails for good; return the exit status."""
        if not self._prepare():
            return 0
        threads = []
        if "consumer" in self._roles:
            consumer = Consumer(self._store, notify_driver)
            threads.append(self._start("consumer", lambda: consumer.run(self._stop_consumer)))
            self._bus.subscribe(consumer.deliver, self._fail)
        if "relay" in self._roles:
            threads.append(self._start("relay", self._run_relay))
        logger.info("Worker started: %s", " and ".join(self._roles))
        self._done.wait()
        return self._shut_down(threads)

    def _prepare(self) -> bool:
        """Wait until bus and store are there; False if told to stop before."""
        for name, prepare in (
            ("The event bus", self._bus.prepare),
            ("The audit store", self._store.prepare),
        ):
            outage = Outage(name, logger)
            while not self._done.is_set():
                try:
                    prepare()
                except Exception as error:  # the bus's client raises all kinds
                    outage.begin_or_go_on(error, self._done)
                else:
                    outage.end()
                    break
        return not self._done.is_set()

    def _run_relay(self) -> None:
        with self._app.app_context():
            Relay(self._bus).run(self._stop_relay)

    def _start(self, name: str, target: Callable[[], None]) -> Thread:
        def guarded() -> None:
            try:
                target()
            except Exception as error:
                self._fail(error)

        thread = Thread(target=guarded, name=name, daemon=True)
        thread.start()
        return thread

    def _fail(self, error: Exception) -> None:
        logger.critical("Stopping: %s: %s", type(error).__name__, error)
        self._failed = True
        self._done.set()

    def _shut_down(self, threads: list[Thread]) -> int:
        logger.info("Worker stopping")
        # The relay first: on the in-process bus it waits for the consumer to take its batch.
        for stop in (self._stop_relay, self._stop_consumer):
            stop.set()
        for thread in reversed(threads):
            thread.join(STOP_SECONDS)
        self._bus.close()
        self._store.close()
        unfinished = any(thread.is_alive() for thread in threads)
        logger.info("Worker stopped")
        return 1 if self._failed or unfinished else 0


def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="worker.py", description="Publish events and write the audit trail."
    )
    parser.add_argument("role", nargs="?", choices=ROLES, help="only this half (default: both)")
    role = parser.parse_args(argv).role
    try:
        app = create_app()
        config = app.config["BILLOR"]
        if role and config.pubsub_project_id is None:
            raise ConfigError(
                "PUBSUB_PROJECT_ID is not set, and without Pub/Sub relay and consumer must share "
                "a process: run `python worker.py`."
            )
    except ConfigError as error:
        parser.exit(1, f"billor: {error}\n")
    worker = Worker(
        app, connect_bus(config), app.extensions["audit_store"], (role,) if role else ROLES
    )
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signal_number, lambda *_: worker.stop())
    return worker.run()
