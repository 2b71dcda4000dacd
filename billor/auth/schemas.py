"""Wire schemas of the login."""

from marshmallow import fields

from billor.api.fields import Password, Text, WireSchema
from billor.database.text import MAX_EMAIL_LENGTH


class LoginSchema(WireSchema):
    # Not validated as for a new user: an invalid address is simply unknown.
    email = Text(
        max_length=MAX_EMAIL_LENGTH, required=True, metadata={"example": "demo@billor.example"}
    )
    password = Password(required=True, metadata={"example": "demo-password"})


class RefreshSchema(WireSchema):
    refresh_token = Text(
        max_length=4096,
        required=True,
        metadata={"description": "The latest one: each can be used once.", "example": "eyJhbG…"},
    )


class TokenSchema(WireSchema):
    # Named as in OAuth 2.0 (RFC 6749, section 5.1), so not in camelCase.
    access_token = fields.String(data_key="access_token", required=True)
    token_type = fields.String(data_key="token_type", required=True, metadata={"example": "Bearer"})
    expires_in = fields.Integer(
        data_key="expires_in", required=True, metadata={"description": "Seconds.", "example": 3600}
    )
    refresh_token = fields.String(
        required=True, metadata={"description": "For a single `POST /auth/refresh`."}
    )
    refresh_expires_in = fields.Integer(
        required=True,
        metadata={
            "description": "Seconds until the session ends, even if it is refreshed.",
            "example": 43_200,
        },
    )
