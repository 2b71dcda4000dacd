"""Wire schemas of users."""

from marshmallow import ValidationError, fields

from billor.api import fields as wire
from billor.api.pagination import PageQuery
from billor.database.text import MAX_EMAIL_LENGTH
from billor.models import Language, Role
from billor.users.passwords import MIN_LENGTH, is_common


class NewPassword(wire.Password):
    """A password to set, neither too short nor too common."""

    def __init__(self, **kwargs):
        super().__init__(min_length=MIN_LENGTH, **kwargs)

    def _deserialize(self, value, attr, data, **kwargs):
        password = super()._deserialize(value, attr, data, **kwargs)
        if len(password) <= self.MAX_LENGTH and is_common(password):
            raise ValidationError("Is one of the most common passwords. Choose another one.")
        return password


class AccountSchema(wire.WireSchema):
    """An account as events show it, without email address and password."""

    id = wire.Id(dump_only=True, required=True)
    name = wire.Text(max_length=200, required=True, metadata={"example": "Dana Dispatcher"})
    role = fields.Enum(
        Role,
        **wire.about(
            "ADMIN: everything. DISPATCHER: everything but users. DRIVER: only "
            "their own load. New users are dispatchers by default.",
            example="DISPATCHER",
        ),
    )
    driver_id = wire.Id(
        allow_none=True, **wire.about("Which driver a user of the role DRIVER is.", example=None)
    )
    is_active = wire.Flag(
        data_key="active",
        **wire.about("Whether the user may log in. Users are never deleted.", example=True),
    )
    language = fields.Enum(
        Language, by_value=fields.String, **wire.about("Of mails. en by default.")
    )


class UserUpdateSchema(wire.PartialSchema, AccountSchema):
    password = NewPassword()


class UserSchema(AccountSchema):
    class Meta:
        dump_only = ("is_active",)

    email = wire.EmailAddress(required=True, example="dana@billor.example")
    password = NewPassword(**wire.about("Without one a link to set it is mailed. Never returned."))
    created_at = wire.Timestamp(dump_only=True, required=True)


class ListedUserSchema(UserSchema):
    # Only here: elsewhere a login would change the ETag.
    last_seen_at = wire.Timestamp(**wire.about("The last login or refresh."), **wire.OR_NULL)


class UserQuery(PageQuery):
    q = wire.Words()
    # Not validated as for a new user: an invalid address is simply unknown.
    email = wire.Text(max_length=MAX_EMAIL_LENGTH, **wire.about("In any form of the address."))
