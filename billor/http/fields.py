"""What all wire schemas share: camelCase names, strict bodies, and fields with tight bounds."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cached_property
from itertools import islice
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, pre_load, validate
from sqlalchemy.orm import InstrumentedAttribute

from billor.http.strict_json import MAX_NAME_TOLD

MAX_ID = 2**63 - 1
# C0, DEL and C1; and those of text direction, with which a name can be made to look like another.
CONTROLS = r"\u0000-\u001F\u007F-\u009F\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069"
NO_CHARACTERS = re.compile(rf"[{CONTROLS}\uD800-\uDFFF]")
MAX_UNKNOWN_TOLD = 10
"""How many unknown fields an error names."""
DEFAULT_LIMIT = 50
MAX_LIMIT = 200


def wire_name(name: str) -> str:
    """Return an attribute's name in JSON: `driver_id` is `driverId`."""
    head, *tail = name.split("_")
    return head + "".join(word.capitalize() for word in tail)


class WireSchema(Schema):
    """Base of all schemas: attributes in snake_case, JSON in camelCase.

    A field that is unknown or read-only in a request is refused by name.
    """

    class Meta:
        unknown = RAISE

    error_messages = {"unknown": "Unknown or read-only field."}

    def on_bind_field(self, field_name, field_obj):
        if field_obj.data_key is None:
            field_obj.data_key = wire_name(field_name)

    @pre_load
    def _bound_unknown_fields(self, data, **_):
        """Keep only the first unknown fields, for marshmallow to refuse.

        Its time grows with the square of their number, and the answer with the length of
        their names.
        """
        if not isinstance(data, dict):
            return data
        unknown = islice((name for name in data if name not in self._known), MAX_UNKNOWN_TOLD)
        return {name: data[name] for name in self._known if name in data} | {
            name[:MAX_NAME_TOLD]: data[name] for name in unknown
        }

    @cached_property
    def _known(self) -> set[str | None]:
        """The names that a body may have. A file is checked row by row, with one schema."""
        return {field.data_key for field in self.load_fields.values()}


class Text(fields.String):
    """A person's text: trimmed, not empty, bounded, free of control characters and surrogates."""

    # For the OpenAPI document; lone surrogates are no text to begin with.
    PATTERN = rf"^[^{CONTROLS}]*[^\s{CONTROLS}][^{CONTROLS}]*$"

    def __init__(self, *, max_length: int, metadata: dict | None = None, **kwargs):
        super().__init__(
            validate=validate.Length(1, max_length),
            metadata={"pattern": self.PATTERN} | (metadata or {}),
            **kwargs,
        )

    @classmethod
    def of(cls, column: InstrumentedAttribute[str], **kwargs) -> "Text":
        """Make a text field as long as the column."""
        return cls(max_length=column.type.length, **kwargs)

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
    text = text.strip()
    if NO_CHARACTERS.search(text):
        raise ValidationError("Must not contain control characters.")
    return text


class Timestamp(fields.DateTime):
    """A time of RFC 3339, written in UTC with `Z` and microseconds, so that text sorts as time.

    Read with any offset, but not without one.
    """

    EXAMPLE = "2026-01-31T12:00:00.000000Z"

    default_error_messages = {
        "invalid": "Not a time of RFC 3339, with an offset: like 2026-01-31T12:00:00Z."
    }

    # Python itself reads more than RFC 3339, with any character between date and time.
    FORMAT = re.compile(
        r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?"
        r"(Z|[+-][0-9]{2}:[0-9]{2})"
    )

    def __init__(self, *, metadata: dict | None = None, required: bool = False, **kwargs):
        # What is optional is for the docs page not to fill in.
        example = {"example": self.EXAMPLE} if required else {}
        super().__init__(metadata=example | (metadata or {}), required=required, **kwargs)

    def _deserialize(self, value, attr, data, **kwargs):
        if not isinstance(value, str) or not self.FORMAT.fullmatch(value):
            raise self.make_error("invalid", input=value, obj_type=self.OBJ_TYPE)
        time = super()._deserialize(value, attr, data, **kwargs)
        try:
            return time.astimezone(UTC)
        except OverflowError as error:
            raise self.make_error("invalid", input=value, obj_type=self.OBJ_TYPE) from error

    def _serialize(self, value, attr, obj, **kwargs):
        return None if value is None else wire_time(value)


def check_range(schema: Schema, data: Mapping[str, Any], start: str, end: str) -> None:
    """Refuse a range of time that ends before it starts.

    `start` and `end` are attributes of `schema`, and either may be missing.
    """
    if start in data and end in data and data[end] <= data[start]:
        first, last = (schema.fields[name].data_key or name for name in (start, end))
        raise ValidationError(f"Must be later than `{first}`.", last)


def wire_time(time: datetime) -> str:
    """Write a time as `Timestamp` does."""
    return time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


class Id(fields.Integer):
    """An integer id in a body; numbers only, no strings, floats or booleans."""

    def __init__(self, *, maximum: int = MAX_ID, metadata: dict | None = None, **kwargs):
        super().__init__(
            strict=True,
            validate=validate.Range(1, maximum),
            metadata={"format": "int64", "example": 1} | (metadata or {}),
            **kwargs,
        )


class Flag(fields.Boolean):
    """A boolean in a body; `true` or `false` only, no strings or numbers."""

    def _deserialize(self, value, attr, data, **kwargs):
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class QueryInteger(fields.Integer):
    """An integer in a query string: ASCII digits only."""

    def __init__(self, *, maximum: int = MAX_ID, metadata: dict | None = None, **kwargs):
        super().__init__(
            validate=validate.Range(1, maximum),
            metadata={"format": "int64"} | (metadata or {}),
            **kwargs,
        )

    def _deserialize(self, value, attr, data, **kwargs):
        if not re.fullmatch(r"[0-9]{1,19}", value):
            raise self.make_error("invalid")
        return super()._deserialize(value, attr, data, **kwargs)


class Several(fields.List):
    """Values of a query parameter that may be given several times; any of them matches."""

    def __init__(self, inner: fields.Field, *, description: str = "May be given several times."):
        super().__init__(inner, metadata={"description": description})
