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
from sqlalchemy import Row, func, text, update

from billor.api.fields import wire_time
from billor.database import execute, table, transaction
from billor.events.event import EventType, to_message
from billor.events.outbox import record
from billor.models import WebhookDelivery
from billor.observe.logs import printable
from billor.worker.outage import AWAY, run_with_backoff
from billor.worker.outgoing import NotSent, post

logger = logging.getLogger(__name__)

MAX_RUNNING = 16
MAX_OF_WEBHOOK = 4  # one, while it fails
LEASE_SECONDS = 60
RETRY_SECONDS = (5, 300, 1800, 7200, 18_000, 36_000, 36_000)
JITTER = 0.2
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
            LIMIT greatest(0, CASE WHEN webhook.failing_since IS NULL THEN :most ELSE 1 END
                - coalesce(CAST(CAST(:running AS jsonb) ->> CAST(webhook.id AS text) AS int), 0))
            FOR UPDATE SKIP LOCKED
        ) AS delivery LEFT JOIN load_events AS event ON event.id = delivery.event_id
        WHERE webhook.is_active ORDER BY delivery.due_at LIMIT :free
    )
    UPDATE webhook_deliveries AS delivery
    SET attempts = attempts + 1, due_at = clock_timestamp() + make_interval(secs => :lease)
    FROM due WHERE delivery.id = due.delivery_id
    RETURNING due.*, delivery.attempts
""")
SUCCEEDED = text(
    "UPDATE webhooks SET failing_since = NULL WHERE id = :id AND failing_since IS NOT NULL"
)
FAILED = text("""
    UPDATE webhooks SET failing_since = coalesce(failing_since, clock_timestamp()),
        is_active = NOT :is_gone AND
            coalesce(failing_since > clock_timestamp() - interval '5 days', true)
    WHERE id = :id AND is_active RETURNING is_active
""")


# Those after a failed one would only be tested again and again whether they are the oldest.
POSTPONE_LATER = text("""
    UPDATE webhook_deliveries SET due_at = clock_timestamp() + make_interval(secs => :seconds)
    WHERE webhook_id = :webhook_id AND load_id = :load_id AND id > :id
        AND delivered_at IS NULL AND failed_at IS NULL
""")
_TABLE = table(WebhookDelivery)


Outcome = tuple[Row, int | None, str]
"""A delivery with the status and the start of the answer, or why there is none."""


class Deliverer:
    """Every call needs an application context."""

    def __init__(self) -> None:
        self._outcomes: Queue[Outcome] = Queue()
        self._running: Counter[int] = Counter()
        self._wait_seconds = 0.0

    def run(self, stop: Event) -> None:
        """Deliver until `stop` is set, and then wait a few seconds for the answers."""
        run_with_backoff(lambda: None, self.step, stop)
        ends_at = time.monotonic() + STOP_SECONDS
        while self._running.total() and time.monotonic() < ends_at:
            with suppress(*AWAY), transaction():
                _settle(self._wait(IDLE_SECONDS))

    def step(self) -> int:
        """Write the outcomes that have come, and start what is due; return how many started."""
        outcomes = self._wait(self._wait_seconds)
        with transaction():
            _settle(outcomes)
            due = self._claim()
        self._wait_seconds = 0 if due else IDLE_SECONDS
        self._running.update(delivery.webhook_id for delivery in due)
        allow_private = current_app.config["BILLOR"].private_webhooks == "yes"
        for delivery in due:
            Thread(target=self._post, args=(delivery, allow_private), daemon=True).start()
        return len(due)

    def _wait(self, seconds: float) -> list[Outcome]:
        """Return the outcomes that have come; if there is none, wait for one."""
        outcomes = []
        with suppress(Empty):
            outcomes.append(self._outcomes.get(timeout=seconds))
            while True:
                outcomes.append(self._outcomes.get_nowait())
        self._running.subtract(delivery.webhook_id for delivery, *_ in outcomes)
        return outcomes

    def _claim(self) -> list[Row]:
        values = {
            "running": json.dumps(self._running),
            "most": MAX_OF_WEBHOOK,
            "free": MAX_RUNNING - self._running.total(),
            "lease": LEASE_SECONDS,
        }
        return list(execute(CLAIM, values))

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


def _settle(outcomes: list[Outcome]) -> None:
    """Write outcomes, in one order for all workers, so that they cannot deadlock."""
    for delivery, status, answer in sorted(outcomes, key=lambda each: each[0].webhook_id):
        if status is not None and 200 <= status < 300:
            execute(SUCCEEDED, {"id": delivery.webhook_id})
            fate: dict[str, Any] = {"delivered_at": func.clock_timestamp()}
        else:
            fate = _fail(delivery, status)
        # Unless another worker has taken over, or it is to be sent again.
        is_ours = (_TABLE.c.id == delivery.delivery_id) & (_TABLE.c.attempts == delivery.attempts)
        values = fate | {"status": status, "answer": answer}
        execute(update(_TABLE).where(is_ours).values(values))


def _fail(delivery: Row, status: int | None) -> dict[str, Any]:
    """Disable the webhook if it has failed for long; return what becomes of the delivery."""
    webhook = {"id": delivery.webhook_id, "status": status}
    if execute(FAILED, webhook | {"is_gone": status == GONE}).scalar() is False:
        logger.warning("Webhook %d is disabled. Its last status: %s", delivery.webhook_id, status)
        record(EventType.WEBHOOK_DISABLED, {"webhook": webhook})
    if delivery.attempts > len(RETRY_SECONDS):
        return {"failed_at": func.clock_timestamp()}
    seconds = RETRY_SECONDS[delivery.attempts - 1] * random.uniform(1, 1 + JITTER)  # noqa: S311
    later = {"webhook_id": delivery.webhook_id, "load_id": delivery.load_id}
    execute(POSTPONE_LATER, later | {"id": delivery.delivery_id, "seconds": seconds})
    return {"due_at": func.clock_timestamp() + timedelta(seconds=seconds)}
