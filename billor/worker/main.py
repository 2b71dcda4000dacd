"""Runs relay and consumer in threads of one process until stopped."""

import argparse
import gc
import logging
import signal
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from datetime import datetime
from functools import partial
from threading import Event, Thread

from flask import Flask

from billor import create_app
from billor.audit.store import AuditStore
from billor.config import ConfigError
from billor.events.bus import Bus, Delivery
from billor.events.connect import connect_bus
from billor.traces import export_last_spans
from billor.worker.consumer import Consumer
from billor.worker.exporter import serve_metrics
from billor.worker.indexing import keep_indexed
from billor.worker.maintenance import run_maintenance
from billor.worker.notifications import Notifier, send
from billor.worker.outage import Outage
from billor.worker.received import read
from billor.worker.reconciliation import Reconciler, settled_now
from billor.worker.relay import Relay

logger = logging.getLogger(__name__)

ROLES = ("relay", "consumer")
# Threads that can be abandoned at any point of their work.
ABANDONED = ("reconciler", "indexer", "maintenance")
# In BILLOR_HOME; touched every `BEAT_SECONDS`.
HEARTBEAT_FILE = "worker.alive"
BEAT_SECONDS = 10
SIGNAL_SECONDS = 0.5
# How many objects are made between two looks for garbage. Batches make many, and leave none in
# cycles: with Python's 700 an event takes a tenth more CPU.
GARBAGE_THRESHOLD = 10_000
# Timeout of a shutdown: to finish the current work and close the bus.
STOP_SECONDS = 7
LEAST_CLOSE_SECONDS = 1


class Worker:
    """The relay, the consumer, or both, over one bus."""

    def __init__(self, app: Flask, bus: Bus, store: AuditStore, roles: tuple[str, ...] = ROLES):
        self._app = app
        self._bus = bus
        self._store = store
        self._roles = roles
        self._done = Event()
        self._failed = False
        self._subscription_is_new = False
        self._subscribed_at: datetime | None = None

    def stop(self) -> None:
        """Make `run` finish the current work and return."""
        self._done.set()

    def run(self) -> int:
        """Work until `stop` is called or a thread fails; return the exit status.

        Raises `ConfigError`.
        """
        if not self._prepare():
            return 0
        threads: dict[Thread, Event] = {}
        if "consumer" in self._roles:
            consumer = Consumer(self._store)
            notifier = Notifier(send, consumer.deliver)

            def receive(delivery: Delivery) -> None:
                received = read(delivery)
                first = notifier if received.notification else consumer
                first.deliver(received)

            threads |= self._start("consumer", consumer.run)
            threads |= self._start("notifier", notifier.run)
            self._bus.subscribe(receive, self._fail)
            reconciler = Reconciler(self._store, self._bus, self._subscribed_at)
            threads |= self._start("reconciler", reconciler.run)
            threads |= self._start("indexer", partial(keep_indexed, self._store))
        if "relay" in self._roles:
            threads |= self._start("relay", Relay(self._bus).run)
            threads |= self._start("maintenance", run_maintenance)
        self._beat()
        logger.info("Worker started: %s", " and ".join(self._roles))
        while not self._done.wait(BEAT_SECONDS):
            self._beat()
        return self._shut_down(threads)

    def _beat(self) -> None:
        """Touch the heartbeat file for supervisors. A thread that fails ends the worker."""
        with suppress(OSError):
            (self._app.config["BILLOR"].home / HEARTBEAT_FILE).touch()

    def _prepare(self) -> bool:
        """Wait for the services that the roles need; return False if stopped before."""
        if "consumer" not in self._roles:
            return self._wait_for("The event bus", self._bus.prepare_topic)
        return self._wait_for("The audit store", self._store.prepare) and self._wait_for(
            "The event bus", self._prepare_bus
        )

    def _prepare_bus(self) -> None:
        # Remembered, as the subscription is no longer new if this is retried.
        self._subscription_is_new |= self._bus.prepare()
        if self._subscription_is_new:
            with self._app.app_context():
                self._subscribed_at = settled_now()

    def _wait_for(self, service: str, prepare: Callable[[], object]) -> bool:
        """Retry until `prepare` succeeds; return False if stopped before. Raises `ConfigError`."""
        outage = Outage(service, logger)
        while not self._done.is_set():
            try:
                prepare()
            except ConfigError:
                raise
            except Exception as error:  # the bus's client raises arbitrary exceptions
                outage.begin_or_go_on(error, self._done)
            else:
                outage.end()
                return True
        return False

    def _start(self, name: str, run: Callable[[Event], None]) -> dict[Thread, Event]:
        """Start a thread; return it with the event that stops it."""
        stop = Event()

        def guarded() -> None:
            try:
                with self._app.app_context():
                    run(stop)
            except Exception as error:
                self._fail(error)

        thread = Thread(target=guarded, name=name, daemon=True)
        thread.start()
        return {thread: stop}

    def _fail(self, error: Exception) -> None:
        logger.critical("Stopping: %s: %s", type(error).__name__, error)
        self._failed = True
        self._done.set()

    def _shut_down(self, threads: dict[Thread, Event]) -> int:
        """Stop the threads one after the other; return the exit status."""
        logger.info("Worker stopping")
        deadline = time.monotonic() + STOP_SECONDS
        # Each before the one that it waits for or passes its work to.
        for thread, stop in reversed(threads.items()):
            stop.set()
            if thread.name not in ABANDONED:
                thread.join(max(0.0, deadline - time.monotonic()))
        unfinished = [
            thread.name for thread in threads if thread.is_alive() and thread.name not in ABANDONED
        ]
        if unfinished:
            logger.error("Not finished in time: %s", ", ".join(unfinished))
        # In a thread, since closing a hung bus may block.
        closing = Thread(target=self._bus.close, name="closing", daemon=True)
        closing.start()
        closing.join(max(LEAST_CLOSE_SECONDS, deadline - time.monotonic()))
        self._store.close()
        export_last_spans()
        logger.info("Worker stopped")
        return 1 if self._failed or unfinished else 0


def main(argv: list[str] | None = None) -> int:
    """Run the worker as the command line says; return the exit status."""
    arguments = _parser().parse_args(argv)
    gc.set_threshold(GARBAGE_THRESHOLD)
    try:
        return _run(_connect_worker(arguments.role))
    except ConfigError as error:
        print(f"billor: {error}", file=sys.stderr)
        return 1


def _run(worker: Worker) -> int:
    """Run the worker until a signal stops it; return the exit status. Raises `ConfigError`."""
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signal_number, lambda *_: worker.stop())
    # The worker runs in another thread. This one wakes up often: the kernel may deliver a signal
    # to any thread, but Python runs its handler only here.
    with ThreadPoolExecutor(1) as pool:
        work = pool.submit(worker.run)
        while not work.done():
            wait([work], timeout=SIGNAL_SECONDS)
    return work.result()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="worker.py",
        description="Publish events and write the audit trail, until told to stop.",
    )
    parser.add_argument(
        "role",
        nargs="?",
        choices=ROLES,
        help="do only half of it: publish events, or write the audit trail",
    )
    return parser


def _connect_worker(role: str | None) -> Worker:
    """Make a worker for one role or for both. Raises `ConfigError`."""
    app = create_app()
    config = app.config["BILLOR"]
    if role and config.pubsub_project_id is None:
        raise ConfigError(
            "PUBSUB_PROJECT_ID is not set, and without Pub/Sub relay and consumer must share a "
            "process: run `python worker.py`."
        )
    serve_metrics(config)
    roles = (role,) if role else ROLES
    return Worker(app, connect_bus(config), app.extensions["audit_store"], roles)
