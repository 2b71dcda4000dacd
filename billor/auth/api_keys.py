"""API keys: a program with one acts for the user who made it, until it expires or is revoked.

A key is `bil_`, 40 random characters and a checksum: scanners find it, and typos cost no query. It
ends with its user's right to the key's role, but not with a change of the user's password.
"""

import hashlib
import re
import secrets
import time
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from math import inf

from marshmallow import fields, validate
from sqlalchemy import ColumnElement, Connection, Row, func, select, update

from billor.api.blueprint import Blueprint
from billor.api.fields import OR_NULL, Id, Text, Timestamp, WireSchema, about
from billor.api.responses import if_match
from billor.database import get_or_not_found, lock, roll_back, transaction
from billor.database.keyset import paginate
from billor.errors import BillorError, Invalid
from billor.events.event import EventType
from billor.models import ApiKey, Role, User, db
from billor.observe.context import CurrentUser, signed_in_user
from billor.users.service import record_account

START = "bil_"
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
KEY = re.compile(rf"{START}([{DIGITS}]{{40}})([{DIGITS}]{{6}})")
USE_IS_OLD = func.coalesce(ApiKey.last_used_at < func.now() - timedelta(minutes=1), True)

blueprint = Blueprint("api_keys", __name__, url_prefix="/api-keys", description="For programs.")


class ApiKeySchema(WireSchema):
    id = Id(dump_only=True, required=True)
    name = Text(max_length=100, required=True, metadata={"example": "Accounting"})
    role = fields.String(
        validate=validate.OneOf([Role.DISPATCHER, Role.ADMIN]), load_default=Role.DISPATCHER
    )
    expires_at = Timestamp(load_default=None, **about("By default never."))
    prefix = fields.String(dump_only=True, required=True, metadata={"example": "bil_4fJ2kLm9"})
    user_id = Id(dump_only=True, required=True, **about("For whom it acts."))
    created_at = Timestamp(dump_only=True, required=True)
    last_used_at = Timestamp(**about("To the minute."), **OR_NULL)
    revoked_at = Timestamp(**OR_NULL)


class KeyInEventSchema(ApiKeySchema):
    class Meta(ApiKeySchema.Meta):
        fields = ("id", "name", "prefix", "role", "expires_at")


class CreatedApiKeySchema(ApiKeySchema):
    key = fields.String(required=True, **about("Shown only now: keep it safe."))


@blueprint.route("", methods=["POST"])
@blueprint.arguments(ApiKeySchema)
@blueprint.created(
    CreatedApiKeySchema, shown_by="get_api_key", headers={"Cache-Control": "no-store"}
)
def create_api_key(values):
    """Make a key for a program, which acts for you, by default as a dispatcher.

    It takes no Idempotency-Key, since the stored response would have the key.
    """
    if values["expires_at"] and values["expires_at"] <= datetime.now(UTC):
        raise Invalid({"expiresAt": ["Must be in the future."]})
    random = "".join(secrets.choice(DIGITS) for _ in range(40))
    key = f"{START}{random}{_checksum(random)}"
    row = ApiKey(prefix=key[:12], key_hash=_hash(key), **values)
    with transaction():
        row.user = get_or_not_found(User, signed_in_user().id)
        db.session.add(row)
        db.session.flush()
        _record(EventType.API_KEY_CREATED, row)
    row.key = key
    return row


@blueprint.route("")
@blueprint.paged(ApiKeySchema)
def list_api_keys(query):
    """List API keys, newest first, also expired and revoked ones."""
    return paginate(select(ApiKey), [ApiKey.id], **query)


@blueprint.route("/<id:api_key_id>")
@blueprint.response(200, ApiKeySchema)
def get_api_key(api_key_id):
    """Show an API key, without the key itself."""
    return get_or_not_found(ApiKey, api_key_id)


@blueprint.route("/<id:api_key_id>", methods=["DELETE"])
@blueprint.response(204)
def revoke_api_key(api_key_id):
    """Revoke an API key. It and its streams end within two seconds."""
    with transaction():
        row = lock(ApiKey, api_key_id, if_match(ApiKeySchema()))
        if row.revoked_at is None:
            row.revoked_at = datetime.now(UTC)
            _record(EventType.API_KEY_REVOKED, row)


def find_program(key: str) -> CurrentUser:
    """Return for whom a program with this key acts. Raises `token_invalid` or `token_expired`."""
    match = KEY.fullmatch(key)
    if match is None or match[2] != _checksum(match[1]):
        raise BillorError("token_invalid")
    rows = find_keys(ApiKey.key_hash == _hash(key), db.session.connection())
    roll_back()  # the request itself starts a new transaction
    for row in rows:
        ends_at = row.expires_at.timestamp() if row.expires_at else inf
        if ends_at <= time.time():
            raise BillorError("token_expired")
        if row.is_old:
            with transaction():
                used = update(ApiKey).where(ApiKey.id == row.id)
                db.session.execute(used.values(last_used_at=func.now()))
        return CurrentUser(
            row.user_id, row.user_name, row.role, None, 0, None, ends_at, row.id, row.name
        )
    raise BillorError("token_invalid")


def find_keys(condition: ColumnElement[bool], connection: Connection) -> Sequence[Row]:
    """Find keys that are not revoked, of active users whose own role is the key's or higher."""
    has_role = (User.role == Role.ADMIN) | (User.role == ApiKey.role)
    is_valid = ApiKey.revoked_at.is_(None) & User.is_active & has_role
    query = select(ApiKey, User.name.label("user_name"), USE_IS_OLD.label("is_old"))
    return connection.execute(query.join(ApiKey.user).where(is_valid, condition)).all()


def _record(event_type: EventType, row: ApiKey) -> None:
    record_account(event_type, row.user, apiKey=KeyInEventSchema().dump(row))


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _checksum(text: str) -> str:
    """Return the CRC-32 in base 62, as in the tokens of GitHub."""
    number = zlib.crc32(text.encode())
    return "".join(DIGITS[number // 62**place % 62] for place in reversed(range(6)))
