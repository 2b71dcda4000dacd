"""Idempotency-Key: a retried write is not repeated, but gets the first response again.

See IETF draft-ietf-httpapi-idempotency-key-header. Key and response are committed with the change.
An error stores no key, so a retry runs again. Replay comes before preconditions: the change itself
has made the `If-Match` stale. Keys belong to one user, and expire.
"""

import hashlib
import hmac
import re
from collections.abc import Callable
from functools import wraps

from flask import Response, current_app, g, request
from sqlalchemy import func, literal_column
from sqlalchemy.dialects.postgresql import insert

from billor.database import after_commit, long_waits_refused_as, transaction
from billor.errors import BillorError, Invalid, Unavailable
from billor.models import IdempotencyKey, db
from billor.observe.context import signed_in_user

KEY = re.compile(
    r'"([\x20-\x21\x23-\x5b\x5d-\x7e]{1,255})"|([\x21\x23-\x2b\x2d-\x5b\x5d-\x7e]{1,255})'
)
"""A string in quotes, as in the draft, or without, as many clients send it. Without them it has no
comma, with which servers join repeated headers (RFC 9110, section 5.3)."""
STORED_HEADERS = ("Content-Type", "Location")
WITHOUT_KEYS = ("auth.", "me.change_password", "api_keys.create_api_key")
"""How the endpoints of writes begin that have secrets to show, or that end the user's tokens."""


def takes_key(method: str, endpoint: str) -> bool:
    """Return whether requests may have an Idempotency-Key: all writes, but for `WITHOUT_KEYS`."""
    return method not in {"GET", "HEAD"} and not endpoint.startswith(WITHOUT_KEYS)


def idempotent(view: Callable[..., Response]) -> Callable[..., Response]:
    """Run a view once for each Idempotency-Key, and replay its response after that."""

    @wraps(view)
    def run(*args, **kwargs) -> Response:
        key = _read_key() if takes_key(request.method, request.endpoint or "") else None
        if key is None:
            return view(*args, **kwargs)
        with transaction():
            user = signed_in_user()
            if user.api_key_id is not None:  # no header has a quotation mark in its key
                key = f'{user.api_key_id}"{key}'
            stored, is_new = _claim(user.id, key, _fingerprint())
            if not is_new:
                # The first process may have died between its commit and this.
                after_commit(current_app.extensions["pages"].invalidate)
                headers = {**(stored.headers or {}), "Idempotency-Replayed": "true"}
                return Response(stored.body, stored.status, headers)
            response = view(*args, **kwargs)
            stored.status = response.status_code
            stored.body = response.get_data(as_text=True)
            stored.headers = {k: v for k, v in response.headers if k in STORED_HEADERS}
        return response

    return run


def _read_key() -> str | None:
    header = request.headers.get("Idempotency-Key")
    if header is None:
        return None
    match = KEY.fullmatch(header)
    if match is None:
        message = "Must be one key of 1 to 255 visible ASCII characters, such as a UUID."
        raise Invalid({"Idempotency-Key": [message]})
    return match[1] or match[2]


def _fingerprint() -> str:
    """Return an HMAC of the request, since its body may hold a password."""
    secret = current_app.config["JWT_SECRET_KEY"].encode()
    body_digest = g.get("body_digest") or hashlib.sha256(request.get_data()).digest()
    head = f"{request.method} {request.path} {request.mimetype}\n".encode()
    return hmac.digest(secret, head + request.query_string + body_digest, "sha256").hex()


def _claim(user_id: int, key: str, fingerprint: str) -> tuple[IdempotencyKey, bool]:
    """Return the key's row, and whether it is new. Waits for a running request with the key."""
    row = insert(IdempotencyKey).values(user_id=user_id, key=key, fingerprint=fingerprint)
    fresh = {"fingerprint": fingerprint, "expires_at": literal_column("DEFAULT")}
    claim = row.on_conflict_do_update(
        index_elements=[IdempotencyKey.user_id, IdempotencyKey.key],
        set_=fresh,
        where=IdempotencyKey.expires_at < func.now(),
    ).returning(IdempotencyKey)
    with long_waits_refused_as(Unavailable("idempotency_key_in_use")):
        ours = db.session.scalar(claim)
    if ours is not None:
        return ours, True
    stored = db.session.get_one(IdempotencyKey, (user_id, key))
    if stored.fingerprint != fingerprint:
        raise BillorError("idempotency_key_reused")
    return stored, False
