"""Wire schemas of the audit trail."""

from collections.abc import Iterable

from marshmallow import fields, validate, validates_schema

from billor.api.fields import Id, QueryInteger, Timestamp, WireSchema, about, check_range, wire_time
from billor.api.pagination import Cursor, PageQuery
from billor.events.event import ACCOUNT_PAYLOAD, ACCOUNT_TYPES, PAYLOAD, WORK_TYPES


class DocumentSchema(WireSchema):
    """For the OpenAPI document only: stored documents are returned unchanged."""

    id = fields.UUID(data_key="_id", required=True, **about("The event's id."))
    timestamp = Timestamp(required=True)
    request_id = fields.String(required=True, allow_none=True)


class AuditDocumentSchema(DocumentSchema):
    type = fields.String(
        required=True,
        validate=validate.OneOf([*WORK_TYPES.values()]),
        metadata={"example": "ASSIGNED"},
    )
    driver_id = Id(required=True, allow_none=True)
    load_id = Id(required=True, allow_none=True)
    assignment_id = Id(required=True, allow_none=True)
    payload = fields.Dict(required=True, **about(PAYLOAD))


class AccountDocumentSchema(DocumentSchema):
    type = fields.String(
        required=True,
        validate=validate.OneOf([*ACCOUNT_TYPES.values()]),
        metadata={"example": "ROLE_CHANGED"},
    )
    user_id = Id(
        required=True,
        allow_none=True,
        **about("The account; null for a blocked login to an unknown one."),
    )
    payload = fields.Dict(required=True, **about(ACCOUNT_PAYLOAD))


class DocumentTime(Timestamp):
    """A time, deserialized to the text format of documents' timestamps."""

    def _deserialize(self, value, attr, data, **kwargs):
        return wire_time(super()._deserialize(value, attr, data, **kwargs))


def _type_of(types: Iterable[str]) -> fields.String:
    return fields.String(
        validate=validate.OneOf(list(types), error="Must be one of: {choices}."),
        **about("Only events of this type."),
    )


class DocumentQuery(PageQuery):
    since = DocumentTime(data_key="from", **about("Only what happened at this time or later."))
    until = DocumentTime(data_key="to", **about("Only what happened before this time."))
    cursor = Cursor(DocumentTime(), fields.String())

    @validates_schema
    def _check_range(self, data, **_):
        check_range(self, data, "since", "until")


class AuditQuery(DocumentQuery):
    load_id = QueryInteger(**about("Only what happened to this load."))
    driver_id = QueryInteger(**about("Only what involves this driver."))
    type = _type_of(WORK_TYPES.values())


class AccountQuery(DocumentQuery):
    user_id = QueryInteger(**about("Only what happened to this user's account."))
    type = _type_of(ACCOUNT_TYPES.values())
