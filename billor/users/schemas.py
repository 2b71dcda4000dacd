"""Wire schemas of users."""

from billor.http.fields import EmailAddress, Id, Password, Text, Timestamp, WireSchema


class UserSchema(WireSchema):
    id = Id(dump_only=True, required=True)
    name = Text(max_length=200, required=True, metadata={"example": "Dana Dispatcher"})
    email = EmailAddress(required=True, metadata={"example": "dana@billor.example"})
    password = Password(
        min_length=8,
        metadata={"description": "Without one the user cannot log in. Never returned."},
    )
    created_at = Timestamp(dump_only=True, required=True)
