"""Wire schemas of `/me`."""

from marshmallow import fields, validate

from billor.assignments.schemas import AssignmentWithLoadSchema
from billor.http.fields import Id, Password, Several, Timestamp, WireSchema
from billor.http.pagination import Cursor, PageQuery
from billor.models import AssignmentStatus
from billor.users.schemas import NewPassword, UserUpdateSchema


class MyNameSchema(UserUpdateSchema):
    class Meta:
        fields = ("name",)


class PasswordChangeSchema(WireSchema):
    old_password = Password(required=True)
    new_password = NewPassword(required=True)


class MyAssignmentSchema(AssignmentWithLoadSchema):
    """One of your own assignments, with its load."""


class MyAssignmentsQuery(PageQuery):
    cursor = Cursor(Timestamp(), Id())
    status = Several(fields.Enum(AssignmentStatus))


class CompletionSchema(WireSchema):
    status = fields.String(
        required=True, validate=validate.OneOf([AssignmentStatus.COMPLETED.value])
    )
