"""Wire schemas of users."""

from billor.emails import MAX_LENGTH
from billor.http.fields import EmailAddress, Id, Password, Text, Timestamp, WireSchema
from billor.http.pagination import PageQuery


class UserSchema(WireSchema):
    id = Id(dump_only=True, required=True)
    name = Text(max_length=200, required=True, metadata={"example": "Dana Dispatcher"})
    email = EmailAddress(required=True, metadata={"example": "dana@billor.example"})
    password = Password(
        min_length=8,
        metadata={"description": "Without one the user cannot log in. Never returned."},
    )
    created_at = Timestamp(dump_only=True, required=True)


class UserQuery(PageQuery):
    # Looser than for a new user: an invalid address is just an unknown one.
    email = Text(max_length=MAX_LENGTH, metadata={"description": "In any form of the address."})
