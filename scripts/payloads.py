"""The schemas of all events, for the documents of OpenAPI and AsyncAPI.

They are made of those with which the code makes events.
"""

import re
from collections.abc import Iterable
from typing import Any

from apispec import APISpec
from marshmallow import Schema, fields, validate

from billor.api.fields import Day, Id, PartialSchema, WireSchema, about
from billor.assignments.schemas import AssignmentSchema, CheckInSchema
from billor.audit.schemas import AccountDocumentSchema, AuditDocumentSchema
from billor.auth.api_keys import KeyInEventSchema
from billor.drivers.schemas import DriverInEventSchema, DriverSchema
from billor.events.event import ACCOUNT_TYPES
from billor.loads.schemas import ActorSchema, DocumentSchema, LoadSchema, NewCommentSchema
from billor.models import Channel
from billor.users.schemas import AccountSchema

Document = dict[str, Any]
SCHEMAS = "#/components/schemas/"


def component_name(schema: Schema | type[Schema] | str) -> str:
    """Name a schema: `NewDriver` is `Driver` without the read-only fields, for a request."""
    if isinstance(schema, str):
        return schema.removesuffix("Schema")
    is_new = isinstance(schema, Schema) and "id" in schema.exclude and not schema.partial
    cls = schema if isinstance(schema, type) else type(schema)
    return ("New" if is_new else "") + cls.__name__.removesuffix("Schema")


class WriterSchema(ActorSchema):
    api_key = fields.Nested(ActorSchema, **about("Of a program."))


class SaidSchema(NewCommentSchema):
    by_driver = fields.Boolean(required=True)


class DisabledWebhookSchema(WireSchema):
    id = Id(required=True)
    status = fields.Integer(required=True, allow_none=True)


def _a(schema: type[Schema], *, required: bool = True) -> fields.Nested:
    return fields.Nested(schema, required=required)


def _before(schema: type[Schema]) -> dict[str, fields.Nested]:
    """Return the field with the previous values of what has changed."""
    values = type(f"{component_name(schema)}Before", (PartialSchema, schema), {})
    return {"before": _a(values)}


def _texts(*names: str) -> dict[str, fields.String]:
    return {name: fields.String(required=True) for name in names}


WRITER = {"user": _a(WriterSchema, required=False)}
DRIVER = {"driver": _a(DriverSchema)}
LOAD = {"load": _a(LoadSchema), "driver": _a(DriverInEventSchema, required=False)}
CHANGED_LOAD = LOAD | _before(LoadSchema)
ASSIGNED = LOAD | {"driver": _a(DriverInEventSchema)}
ASSIGNMENT = ASSIGNED | {"assignment": _a(AssignmentSchema)}
CHECK_IN = ASSIGNMENT | {"check_in": _a(CheckInSchema)}
NOTIFICATION = _texts("about", "recipient") | {"channel": fields.Enum(Channel, required=True)}
ACCOUNT = {"account": _a(AccountSchema)}
CHANGED = ACCOUNT | _before(AccountSchema)
PAPER = {"expires_on": Day(required=True), "days": fields.Integer(required=True)} | _texts("paper")
BLOCKED = {
    "account": _a(AccountSchema, required=False),
    "limits": fields.List(fields.String(), required=True),
}
PAYLOADS: dict[str, dict[str, Any]] = {
    "load.created": LOAD,
    "load.updated": CHANGED_LOAD,
    "load.cancelled": CHANGED_LOAD,
    "load.commented": LOAD | {"comment": _a(SaidSchema)},
    "load.document_added": LOAD | {"document": _a(DocumentSchema)},
    "load.document_removed": LOAD | {"document": _a(DocumentSchema)},
    "load.planned": ASSIGNED,
    "load.assigned": ASSIGNED | {"planned": fields.Boolean()},
    "load.completed": ASSIGNED,
    "assignment.cancelled": ASSIGNED,
    "assignment.reopened": ASSIGNMENT | _texts("reason"),
    "assignment.checked_in": CHECK_IN,
    "assignment.check_in_undone": CHECK_IN,
    "driver.created": DRIVER,
    "driver.updated": DRIVER | _before(DriverSchema),
    "driver.papers_expire": DRIVER | PAPER,
    "notification.sent": NOTIFICATION,
    "notification.failed": NOTIFICATION | _texts("reason"),
    "user.created": ACCOUNT,
    "user.invited": ACCOUNT,
    "user.updated": CHANGED,
    "user.role_changed": CHANGED,
    "user.password_changed": ACCOUNT,
    "user.password_reset_requested": ACCOUNT,
    "user.deactivated": CHANGED,
    "user.reactivated": CHANGED,
    "user.sessions_ended": ACCOUNT,
    "user.refresh_token_reused": ACCOUNT,
    "user.login_blocked": BLOCKED | _texts("address"),
    "user.mail_sent": NOTIFICATION,
    "user.mail_failed": NOTIFICATION | _texts("reason"),
    "user.api_key_created": ACCOUNT | {"api_key": _a(KeyInEventSchema)},
    "user.api_key_revoked": ACCOUNT | {"api_key": _a(KeyInEventSchema)},
    "webhook.disabled": {"webhook": _a(DisabledWebhookSchema)},
}
"""What each type of event has, beside the `user` who did it."""


def event_name(type_: str) -> str:
    """Return the name of its schema: `LoadCreatedEvent`."""
    return "".join(word.capitalize() for word in re.split(r"[._]", type_)) + "Event"


def add_events(spec: APISpec, types: Iterable[str]) -> None:
    """Add the schemas of these types of events as components."""
    for type_ in types:
        spec.components.schema(event_name(type_), schema=_event(type_))


def _event(type_: str) -> type[Schema]:
    name = event_name(type_)
    recorded = AccountDocumentSchema if type_ in ACCOUNT_TYPES else AuditDocumentSchema
    payload = WireSchema.from_dict(PAYLOADS[type_] | WRITER, name=f"{name}Payload")
    as_on_the_bus: dict[str, fields.Field] = {
        "id": fields.UUID(required=True),
        "type": fields.String(required=True, validate=validate.OneOf([type_])),
        "payload": _a(payload),
    }
    return recorded.from_dict(as_on_the_bus, name=name)


def webhook(type_: str) -> Document:
    """Return the operation with which a webhook gets an event."""
    name = event_name(type_)
    members = {
        "type": {"type": "string", "enum": [type_]},
        "timestamp": {"$ref": f"{SCHEMAS}Timestamp"},
        "data": {"$ref": f"{SCHEMAS}{name}"},
    }
    body = {"type": "object", "properties": members, "required": [*members]}
    return {
        "operationId": f"on{name}",
        "summary": f"An event {type_}.",
        "security": [],
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {"2XX": {"description": "Received."}},
    }
