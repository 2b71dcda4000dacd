"""Wire schemas of the audit trail."""

from marshmallow import fields, validate

from billor.events.event import AUDIT_TYPES
from billor.pagination import PageQuery
from billor.schemas import QueryInteger, Timestamp, WireSchema

TYPES = list(AUDIT_TYPES.values())


class AuditDocumentSchema(WireSchema):
    """For the OpenAPI document only: stored documents are shown as they are."""

    id = fields.UUID(data_key="_id", metadata={"description": "The event's id."})
    type = fields.String(validate=validate.OneOf(TYPES))
    driver_id = fields.Integer(allow_none=True)
    load_id = fields.Integer()
    assignment_id = fields.Integer(allow_none=True)
    payload = fields.Dict(metadata={"description": "The load, and the driver if there is one."})
    timestamp = Timestamp()
    request_id = fields.String(allow_none=True)


class AuditQuery(PageQuery):
    load_id = QueryInteger()
    driver_id = QueryInteger()
    type = fields.String(validate=validate.OneOf(TYPES, error="Must be one of: {choices}."))
