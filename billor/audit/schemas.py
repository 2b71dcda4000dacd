"""Wire schemas of the audit trail."""

from marshmallow import fields, validate, validates_schema

from billor.events.event import AUDIT_TYPES, PAYLOAD
from billor.http.fields import Id, QueryInteger, Timestamp, WireSchema, check_range, wire_time
from billor.http.pagination import Cursor, PageQuery

TYPES = list(AUDIT_TYPES.values())


class AuditDocumentSchema(WireSchema):
    """For the OpenAPI document only: stored documents are returned unchanged."""

    id = fields.UUID(data_key="_id", required=True, metadata={"description": "The event's id."})
    type = fields.String(
        required=True, validate=validate.OneOf(TYPES), metadata={"example": "ASSIGNED"}
    )
    driver_id = Id(required=True, allow_none=True)
    load_id = Id(required=True)
    assignment_id = Id(required=True, allow_none=True)
    payload = fields.Dict(required=True, metadata={"description": PAYLOAD})
    timestamp = Timestamp(required=True)
    request_id = fields.String(required=True, allow_none=True)


class DocumentTime(Timestamp):
    """A time, deserialized to the text format of documents' timestamps."""

    def _deserialize(self, value, attr, data, **kwargs):
        return wire_time(super()._deserialize(value, attr, data, **kwargs))


class AuditQuery(PageQuery):
    load_id = QueryInteger(metadata={"description": "Only what happened to this load."})
    driver_id = QueryInteger(metadata={"description": "Only what this driver had a part in."})
    type = fields.String(
        validate=validate.OneOf(TYPES, error="Must be one of: {choices}."),
        metadata={"description": "Only events of this type."},
    )
    since = DocumentTime(
        data_key="from",
        metadata={"description": "Only what happened at this time or later; RFC 3339, any offset."},
    )
    until = DocumentTime(
        data_key="to",
        metadata={
            "description": "Only what happened before this time, which must be later than `from`. "
            "Adjacent ranges neither overlap nor leave a gap."
        },
    )
    cursor = Cursor(DocumentTime(), fields.String())

    @validates_schema
    def _check_range(self, data, **_):
        check_range(self, data, "since", "until")
