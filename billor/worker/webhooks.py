"""Delivers events to webhooks, as https://www.standardwebhooks.com says: at least once.

A thread claims what is due and writes outcomes; each delivery is posted in a thread of its own, so
that a slow receiver delays nobody else. A claim moves `due_at` on: if the worker is killed, another
one takes over then. A load's events are delivered in order, so only its oldest one is due.
"""

import json
import logging
import random
import time
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from queue import Empty, Queue
from threading import Event, Thread
from typing import Any

import standardwebhooks
from flask import current_app
from sqlalchemy import Row, func, text

from billor.api.fields import wire_time
from billor.database import execute, transaction
from billor.events.event import EventType, to_message
from billor.events.outbox import record
from billor.models import Webhook, WebhookDelivery, db
from billor.observe.logs import printable
from billor.worker.outage import AWAY, run_with_backoff
from billor.worker.outgoing import NotSent, post

logger = logging.getLogger(__name__)

MAX_OF_WEBHOOK = 4  # at once, in each worker
LEASE_SECONDS = 60
RETRY_SECONDS = (5, 300, 1800, 7200, 18_000, 36_000, 36_000)
JITTER = 0.2
DISABLE_AFTER = timedelta(days=5)
IDLE_SECONDS = 2.0
STOP_SECONDS = 4
MAX_ANSWER = 1000
GONE = 410
CLAIM = text("""
    WITH due AS (
        SELECT delivery.id AS delivery_id, delivery.created_at AS added_at,
            webhook.id AS webhook_id, webhook.url, webhook.secret,
            CASE WHEN webhook.old_secret_until > now() THEN webhook.old_secret END AS old_secret,
            event.*
        FROM webhooks AS webhook CROSS JOIN LATERAL (
            SELECT * FROM webhook_deliveries AS next
            WHERE webhook_id = webhook.id AND delivered_at IS NULL AND failed_at IS NULL
                AND due_at <= clock_timestamp() AND NOT EXISTS (
                    SELECT FROM webhook_deliveries AS older
                    WHERE older.webhook_id = webhook.id AND older.load_id = next.load_id
                    AND older.id < next.id
                    AND older.delivered_at IS NULL AND older.failed_at IS NULL
                )
            ORDER BY due_at, id
            LIMIT :most
                - coalesce(CAST(CAST(:running AS jsonb) ->> CAST(webhook.id AS text) AS int), 0)
            FOR UPDATE SKIP LOCKED
        ) AS delivery LEFT JOIN load_events AS event ON event.id = delivery.event_id
        WHERE webhook.is_active
    )
    UPDATE webhook_deliveries AS delivery
    SET attempts = attempts + 1, due_at = clock_timestamp() + make_interval(secs => :lease)
    FROM due WHERE delivery.id = due.delivery_id
    RETURNING due.*, delivery.attempts
""")


class Deliverer:
    """Every call needs an application context."""

    def __init__(self) -> None:
        self._outcomes: Queue[tuple[Row, int | None, str]] = Queue()
        """Deliveries with the status and the start of the answer, or why there is none."""
        self._running: Counter[int] = Counter()
        """How many deliveries of each webhook have no outcome yet."""

    def run(self, stop: Event) -> None:
        """Deliver until `stop` is set, and then wait a few seconds for the answers."""
        run_with_backoff(self.step, stop)
        ends_at = time.monotonic() + STOP_SECONDS
        while self._running.total() and time.monotonic() < ends_at:
            with suppress(*AWAY):
                self._settle_next(IDLE_SECONDS)

    def step(self) -> int:
        """Start what is due; return how much. Then write an outcome, and wait for one if idle."""
        values = {"running": json.dumps(self._running), "most": MAX_OF_WEBHOOK}
        with transaction():
            due = execute(CLAIM, values | {"lease": LEASE_SECONDS}).all()
        self._running.update(delivery.webhook_id for delivery in due)
        allow_private = current_app.config["BILLOR"].private_webhooks == "yes"
        for delivery in due:
            Thread(target=self._post, args=(delivery, allow_private), daemon=True).start()
        self._settle_next(0 if due else IDLE_SECONDS)
        return len(due)

    def _settle_next(self, seconds: float) -> None:
        with suppress(Empty):
            delivery, status, answer = self._outcomes.get(timeout=seconds)
            self._running[delivery.webhook_id] -= 1
            with transaction():
                _settle(delivery, status, answer)

    def _post(self, delivery: Row, allow_private: bool) -> None:
        status, answer = None, ""
        try:
            body = _body(delivery)
            headers = _headers(delivery, body)
            status, start = post(delivery.url, headers, body, allow_private=allow_private)
            answer = start[:MAX_ANSWER].decode(errors="replace")
        except NotSent as error:
            answer = str(error)
        finally:
            self._outcomes.put((delivery, status, printable(answer)))


def _body(delivery: Row) -> bytes:
    event = {"type": "webhook.test", "timestamp": wire_time(delivery.added_at)}
    if delivery.id is not None:
        event = json.loads(to_message(delivery).data)
    body = {"type": event["type"], "timestamp": event["timestamp"], "data": event}
    return json.dumps(body, ensure_ascii=False).encode()


def _headers(delivery: Row, body: bytes) -> dict[str, str]:
    """Return the headers for an attempt, signed with both secrets while there are two."""
    id_ = str(delivery.id or f"test-{delivery.delivery_id}")
    now = datetime.now(UTC)
    secrets = filter(None, (delivery.secret, delivery.old_secret))
    signed = [standardwebhooks.Webhook(secret).sign(id_, now, body.decode()) for secret in secrets]
    return {
        "Content-Type": "application/json",
        "User-Agent": "Billor",
        "webhook-id": id_,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signed),
    }


def _settle(attempt: Row, status: int | None, answer: str) -> None:
    """Write what came of an attempt, unless another worker has taken over, or it is sent again."""
    as_it_is: Any = {"with_for_update": True, "populate_existing": True}
    webhook = db.session.get(Webhook, attempt.webhook_id, **as_it_is)
    delivery = db.session.get(WebhookDelivery, attempt.delivery_id, **as_it_is)
    if webhook is None or delivery is None or delivery.attempts != attempt.attempts:
        return
    delivery.status, delivery.answer = status, answer
    if status is not None and 200 <= status < 300:
        delivery.delivered_at, webhook.failing_since = func.clock_timestamp(), None
    else:
        _disable_if_dead(webhook, status)
        _retry_later(delivery)


def _disable_if_dead(webhook: Webhook, status: int | None) -> None:
    now = datetime.now(UTC)
    webhook.failing_since = webhook.failing_since or now
    is_dead = status == GONE or now - webhook.failing_since >= DISABLE_AFTER
    if is_dead and webhook.is_active:
        webhook.is_active = False
        logger.warning("Webhook %d is disabled. Its last status: %s", webhook.id, status)
        payload = {"webhook": {"id": webhook.id, "status": status}}
        record(EventType.WEBHOOK_DISABLED, payload, user_id=webhook.user_id)


def _retry_later(delivery: WebhookDelivery) -> None:
    """Have it tried again, or give it up."""
    if delivery.attempts > len(RETRY_SECONDS):
        delivery.failed_at = func.clock_timestamp()
    else:
        seconds = RETRY_SECONDS[delivery.attempts - 1] * random.uniform(1, 1 + JITTER)  # noqa: S311
        delivery.due_at = func.clock_timestamp() + timedelta(seconds=seconds)
