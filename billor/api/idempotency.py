"""Idempotency-Key: a request that changes something may be retried, and gets the first answer.

IETF draft-ietf-httpapi-idempotency-key-header. Key and answer are committed with the change. A
refusal keeps no key: a retry is judged anew. The first answer comes before any precondition: the
change itself has made its `If-Match` stale. Keys are the user's own, and expire.
"""

import hashlib
import hmac
import re
from collections.abc import Callable
from datetime import timedelta
from functools import wraps

from flask import Response, current_app, g, request
from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert

from billor.cache import invalidate_pages
from billor.database import (
    DELETE_BATCH_SIZE,
    after_commit,
    execute_bulk,
    long_waits_refused_as,
    transaction,
)
from billor.errors import InProgress, Invalid, Refused
from billor.models import IdempotencyKey, db
from billor.observe.context import signed_in_user

KEPT_HOURS = 24
KEY = re.compile(
    r'"([\x20-\x21\x23-\x5b\x5d-\x7e]{1,255})"|([\x21\x23-\x2b\x2d-\x5b\x5d-\x7e]{1,255})'
)
"""A text in quotes, as the draft has it, or without, as many clients send it. Then it has no comma:
what servers put between two headers of one name (RFC 9110, section 5.3)."""
KEPT_HEADERS = ("Content-Type", "Location")


def idempotent(view: Callable[..., Response]) -> Callable[..., Response]:
    """Let a view that changes something be called again with the same Idempotency-Key.

    Raises `Refused` `idempotency_key_reused` for another request with the same key, and
    `InProgress` `idempotency_key_in_use` if the first one takes too long to be waited for.
    """

    @wraps(view)
    def run(*args, **kwargs) -> Response:
        key = _given_key()
        if key is None:
            return view(*args, **kwargs)
        with transaction():
            kept, is_new = _claim(signed_in_user().id, key, _fingerprint())
            if not is_new:
                # The first process may have died between its commit and this.
                after_commit(invalidate_pages)
                headers = {**(kept.headers or {}), "Idempotency-Replayed": "true"}
                return Response(kept.body, kept.status, headers)
            response = view(*args, **kwargs)
            kept.status = response.status_code
            kept.body = response.get_data(as_text=True)
            kept.headers = {n: response.headers[n] for n in KEPT_HEADERS if n in response.headers}
        return response

    return run


def delete_expired_keys() -> int:
    """Delete keys that have expired, `DELETE_BATCH_SIZE` at most; return how many.

    Raises `Unavailable`.
    """
    expired = (
        select(IdempotencyKey.user_id, IdempotencyKey.key)
        .where(IdempotencyKey.created_at < _expiry())
        .limit(DELETE_BATCH_SIZE)
        .with_for_update(skip_locked=True)
        .cte("expired")
    )
    with transaction():
        return execute_bulk(
            delete(IdempotencyKey).where(
                IdempotencyKey.user_id == expired.c.user_id, IdempotencyKey.key == expired.c.key
            )
        )


def _given_key() -> str | None:
    given = request.headers.get("Idempotency-Key")
    if given is None:
        return None
    match = KEY.fullmatch(given)
    if match is None:
        message = "Must be one key of 1 to 255 visible ASCII characters, best a UUID."
        raise Invalid({"Idempotency-Key": [message]})
    return match[1] or match[2]


def _fingerprint() -> str:
    """Keyed, since a body may hold a password."""
    secret = current_app.config["JWT_SECRET_KEY"].encode()
    body_digest = g.get("body_digest") or hashlib.sha256(request.get_data()).digest()
    words = f"{request.method} {request.path} {request.mimetype}\n".encode()
    return hmac.digest(secret, words + request.query_string + body_digest, "sha256").hex()


def _claim(user_id: int, key: str, fingerprint: str) -> tuple[IdempotencyKey, bool]:
    """Return the key's row, and whether it is new. Waits for a twin that is being answered."""
    row = insert(IdempotencyKey).values(user_id=user_id, key=key, fingerprint=fingerprint)
    fresh = {"fingerprint": fingerprint, "created_at": func.now()}
    claim = row.on_conflict_do_update(
        index_elements=[IdempotencyKey.user_id, IdempotencyKey.key],
        set_=fresh,
        where=IdempotencyKey.created_at < _expiry(),
    ).returning(IdempotencyKey)
    with long_waits_refused_as(InProgress("idempotency_key_in_use")):
        ours = db.session.scalar(claim)
    if ours is not None:
        return ours, True
    kept = db.session.get_one(IdempotencyKey, (user_id, key))
    if kept.fingerprint != fingerprint:
        raise Refused("idempotency_key_reused")
    return kept, False


def _expiry():
    return func.now() - timedelta(hours=KEPT_HOURS)
