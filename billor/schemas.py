"""What all wire schemas share: camelCase names, strict bodies, and fields with tight bounds."""

import re
import unicodedata
from datetime import UTC
from enum import StrEnum

from marshmallow import RAISE, Schema, ValidationError, fields, validate

MAX_ID = 2**63 - 1
DEFAULT_LIMIT = 50
MAX_LIMIT = 200


class WireSchema(Schema):
    """Base schema: attributes are snake_case here and camelCase outside; a field that is unknown
    or read-only in a request is refused by name."""

    class Meta:
        unknown = RAISE

    error_messages = {"unknown": "Unknown or read-only field."}

    def on_bind_field(self, field_name, field_obj):
        if field_obj.data_key is None:
            head, *tail = field_name.split("_")
            field_obj.data_key = head + "".join(word.capitalize() for word in tail)


class Text(fields.String):
    """A person's text: trimmed, not empty, bounded, free of control characters and surrogates."""

    def __init__(self, *, max_length: int, **kwargs):
        super().__init__(validate=validate.Length(1, max_length), **kwargs)

    def _deserialize(self, value, attr, data, **kwargs):
        return _trimmed(super()._deserialize(value, attr, data, **kwargs))


class Password(fields.String):
    """A password, taken as it is: not trimmed, any characters that UTF-8 can hold."""

    def __init__(self, *, min_length: int = 1, metadata: dict | None = None, **kwargs):
        super().__init__(
            validate=validate.Length(min_length, 1024),
            load_only=True,
            metadata={"format": "password"} | (metadata or {}),
            **kwargs,
        )

    def _deserialize(self, value, attr, data, **kwargs):
        password = super()._deserialize(value, attr, data, **kwargs)
        try:
            password.encode()
        except UnicodeEncodeError as error:
            raise ValidationError("Must not contain lone surrogates.") from error
        return password


class EmailAddress(fields.Email):
    """An email address, trimmed and of a length that mail servers take (RFC 5321)."""

    def __init__(self, **kwargs):
        super().__init__(validate=validate.Length(max=254), **kwargs)

    def _deserialize(self, value, attr, data, **kwargs):
        return _trimmed(super()._deserialize(value, attr, data, **kwargs))


def _trimmed(text: str) -> str:
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in text.strip()):
        raise ValidationError("Must not contain control characters.")
    return text.strip()


class Timestamp(fields.DateTime):
    """RFC 3339 in UTC with `Z` and always six digits of a second, so that texts sort as times.
    Read with any offset, but not without one."""

    def _deserialize(self, value, attr, data, **kwargs):
        time = super()._deserialize(value, attr, data, **kwargs)
        if time.tzinfo is None:
            raise self.make_error("invalid", input=value, obj_type=self.OBJ_TYPE)
        try:
            return time.astimezone(UTC)
        except OverflowError as error:
            raise self.make_error("invalid", input=value, obj_type=self.OBJ_TYPE) from error

    def _serialize(self, value, attr, obj, **kwargs):
        if value is None:
            return None
        return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


class Id(fields.Integer):
    """An integer id in a body; numbers only, no strings, floats or booleans."""

    def __init__(self, **kwargs):
        super().__init__(strict=True, validate=validate.Range(1, MAX_ID), **kwargs)

    def _deserialize(self, value, attr, data, **kwargs):
        if type(value) is not int:
            raise self.make_error("invalid")
        return super()._deserialize(value, attr, data, **kwargs)


class QueryInteger(fields.Integer):
    """An integer in a query string: ASCII digits only."""

    def __init__(self, *, maximum: int = MAX_ID, **kwargs):
        super().__init__(validate=validate.Range(1, maximum), **kwargs)

    def _deserialize(self, value, attr, data, **kwargs):
        if not re.fullmatch(r"[0-9]{1,19}", value):
            raise self.make_error("invalid")
        return super()._deserialize(value, attr, data, **kwargs)


def one_of(values: type[StrEnum]) -> validate.OneOf:
    """A check that a text is one of an enumeration's values."""
    return validate.OneOf([value.value for value in values], error="Must be one of: {choices}.")
