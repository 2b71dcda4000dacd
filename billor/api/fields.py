"""The base of all wire schemas: camelCase names, strict bodies, and fields with tight bounds."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from flask import current_app
from marshmallow import RAISE, Schema, ValidationError, fields, missing, pre_load, validate

from billor.database import text as texts

MAX_ID = 2**63 - 1
SAME_NUMBER = "Compared by its letters and digits, in any case."
MAX_FIELDS = 100  # in an object: an error names each unknown one
MAX_NAME_LENGTH = 100  # how many characters of an unknown name an error repeats
OR_NULL: dict[str, Any] = {"dump_only": True, "required": True, "allow_none": True}
"""What is in every response, and may be null."""


def about(description: str, **more: Any) -> dict[str, Any]:
    """Return a field's argument `metadata`: what the API's document says of it."""
    return {"metadata": {"description": description, **more}}


def wire_name(name: str) -> str:
    """Return an attribute's name in JSON: `driver_id` is `driverId`."""
    head, *tail = name.split("_")
    return head + "".join(word.capitalize() for word in tail)


class WireSchema(Schema):
    """Base of all schemas: attributes in snake_case, JSON in camelCase.

    Unknown and read-only fields in a request are errors.
    """

    class Meta:
        unknown = RAISE

    error_messages = {"unknown": "Unknown or read-only field."}

    def on_bind_field(self, field_name, field_obj):
        if field_obj.data_key is None:
            field_obj.data_key = wire_name(field_name)

    @pre_load
    def _limit_fields(self, data, **_):
        if isinstance(data, dict) and len(data) > MAX_FIELDS:
            raise ValidationError(f"Has more than {MAX_FIELDS} fields.")
        return data


class PartialSchema(WireSchema):
    """Any of the fields, none of them required."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs | {"partial": True})


class Text(fields.String):
    """A text in its normal form (see `billor.database.text`), neither empty nor too long."""

    _normalize: Callable[..., str] = staticmethod(texts.clean)

    def __init__(self, *, max_length: int, metadata: dict | None = None, **kwargs):
        self._max_length = max_length
        super().__init__(
            validate=validate.Length(1, max_length),
            metadata={"pattern": r"\S"} | (metadata or {}),
            **kwargs,
        )

    def _deserialize(self, value, attr, data, **kwargs):
        text = super()._deserialize(value, attr, data, **kwargs)
        if sum(map(len, text.split())) > texts.MAX_PARTS * self._max_length:
            return text  # too long in any form
        try:
            return self._normalize(text)
        except texts.RefusedText as error:
            raise ValidationError(str(error)) from error


class Lines(Text):
    """A text that keeps its line breaks."""

    _normalize = staticmethod(texts.clean_lines)


class EmailAddress(Text):
    _normalize = staticmethod(texts.clean_email)

    def __init__(self, *, example: str, **kwargs):
        metadata = {"format": "email", "example": example}
        super().__init__(max_length=texts.MAX_EMAIL_LENGTH, metadata=metadata, **kwargs)


class Identifier(Text):
    """A number such as a license number, unique by its letters and digits."""

    _normalize = staticmethod(texts.clean_identifier)


class Phone(Text):
    """A phone number, typed in any form."""

    def __init__(self):
        super().__init__(
            max_length=40,
            allow_none=True,
            **about(
                "In any form; it is returned in E.164, with `;ext=12`.", example="+12145550123"
            ),
        )

    def _normalize(self, text: str) -> str:
        return texts.clean_phone(text, current_app.config["BILLOR"].phone_region)


class ShownPhone(fields.String):
    """The phone number of another attribute, as people of PHONE_REGION write it."""

    def __init__(self, attribute: str):
        super().__init__(attribute=attribute, metadata={"example": "(214) 555-0123"}, **OR_NULL)

    def _serialize(self, value, attr, obj, **kwargs):
        return value and texts.shown_phone(value, current_app.config["BILLOR"].phone_region)


class Url(Text):
    """A URL that requests are sent to."""

    def _normalize(self, text: str) -> str:
        if not text.startswith("https:"):
            raise texts.RefusedText("Must start with https://.")
        return texts.clean_url(text)


class Words(Text):
    MAX_WORDS = 10

    def __init__(self):
        super().__init__(
            max_length=100,
            **about(
                f"Up to {self.MAX_WORDS} words, each the beginning of a word in the row, or in the "
                "driver of a load, or the row's id: 39 or #39. Case and accents are ignored."
            ),
        )

    def _normalize(self, text: str) -> str:
        text = texts.clean(text)
        if text.count(" ") >= self.MAX_WORDS:
            raise texts.RefusedText(f"Must not have more than {self.MAX_WORDS} words.")
        return text


class Password(fields.String):
    """A password, used exactly as sent: not trimmed, with any characters of UTF-8."""

    MAX_LENGTH = 1024

    def __init__(self, *, min_length: int = 1, metadata: dict | None = None, **kwargs):
        super().__init__(
            validate=validate.Length(min_length, self.MAX_LENGTH),
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


class Timestamp(fields.DateTime):
    """A time of RFC 3339, written in UTC with `Z` and microseconds, so that strings sort by time.

    A request may use any offset, but needs one.
    """

    EXAMPLE = "2026-01-31T12:00:00.000000Z"
    YEARS = range(2000, 2101)
    # Python accepts more than RFC 3339: any character between date and time.
    FORMAT = re.compile(
        r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?"
        r"(Z|[+-][0-9]{2}:[0-5][0-9])",
        re.IGNORECASE | re.ASCII,
    )

    default_error_messages = {
        "invalid": "Not a time of RFC 3339, with an offset: like 2026-01-31T12:00:00Z.",
        "year": "The year must be from 2000 to 2100.",
    }

    def __init__(self, *, metadata: dict | None = None, required: bool = False, **kwargs):
        # Without an example the docs page leaves optional fields empty.
        example = {"example": self.EXAMPLE} if required else {}
        super().__init__(metadata=example | (metadata or {}), required=required, **kwargs)

    def _deserialize(self, value, attr, data, **kwargs):
        if not isinstance(value, str) or not self.FORMAT.fullmatch(value):
            raise self.make_error("invalid", input=value, obj_type=self.OBJ_TYPE)
        time = super()._deserialize(value.upper(), attr, data, **kwargs)
        try:
            time = time.astimezone(UTC)
        except OverflowError as error:
            raise self.make_error("year") from error
        if time.year not in self.YEARS:
            raise self.make_error("year")
        return time

    def _serialize(self, value, attr, obj, **kwargs):
        return None if value is None else wire_time(value)


class Day(fields.Date):
    """A date, such as 2026-01-31."""

    default_error_messages = {
        "invalid": "Not a date like 2026-01-31.",
        "year": Timestamp.default_error_messages["year"],
    }

    def _deserialize(self, value, attr, data, **kwargs):
        if not isinstance(value, str) or not re.fullmatch(r"[0-9]{4}(-[0-9]{2}){2}", value):
            raise self.make_error("invalid")
        day = super()._deserialize(value, attr, data, **kwargs)
        if day.year not in Timestamp.YEARS:
            raise self.make_error("year")
        return day


def check_range(schema: Schema, data: Mapping[str, Any], start: str, end: str) -> None:
    """Reject a range of time that ends before it starts; `start` and `end` name its attributes."""
    if start in data and end in data and data[end] <= data[start]:
        first, last = (schema.fields[name].data_key or name for name in (start, end))
        raise ValidationError(f"Must be later than `{first}`.", last)


def wire_time(time: datetime) -> str:
    """Write a time as `Timestamp` does."""
    return time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


class Id(fields.Integer):
    """An integer id in a body; numbers only, no strings, floats or booleans."""

    def __init__(self, *, metadata: dict | None = None, **kwargs):
        super().__init__(
            strict=True,
            validate=validate.Range(1, MAX_ID),
            metadata={"format": "int64", "example": 1} | (metadata or {}),
            **kwargs,
        )


class Flag(fields.Boolean):
    """A boolean in a body; `true` or `false` only, no strings or numbers."""

    def _deserialize(self, value, attr, data, **kwargs):
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class QueryFlag(fields.Boolean):
    """A boolean in a query string: `true` or `false` only."""

    def __init__(self, description: str):
        super().__init__(
            truthy={"true"},
            falsy={"false"},
            validate=validate.OneOf([True, False]),
            metadata={"description": description},
        )


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
    """A query parameter that may be repeated; any of its values matches."""

    def __init__(self, inner: fields.Field, *, description: str = "May be repeated."):
        super().__init__(inner, metadata={"description": description})


class Expand(Several):
    """The names of related objects to add to each item of a list, repeated or with commas."""

    def __init__(self, *names: str):
        super().__init__(
            fields.String(validate=validate.OneOf(names)),
            description="What to add to each item. May be repeated, or have commas.",
        )

    def _deserialize(self, value, attr, data, **kwargs):
        names = dict.fromkeys(name for part in value for name in part.split(","))
        return super()._deserialize([*names], attr, data, **kwargs)


class Expanded(fields.Nested):
    """A related object of a list's item, absent unless `expand` had it loaded."""

    def __init__(self, schema: Any, description: str, **kwargs):
        super().__init__(schema, dump_only=True, metadata={"description": description}, **kwargs)

    def get_value(self, obj, attr, accessor=None, default=missing):
        return vars(obj).get(attr, default)


class Items(fields.List):
    """A list in a body, of bounded length. The length is checked before the items."""

    def __init__(self, inner: fields.Field, *, most: int, **kwargs):
        length = validate.Length(1, most)
        super().__init__(inner, validate=length, **kwargs)
        self._length = length

    def _deserialize(self, value, attr, data, **kwargs):
        if isinstance(value, list):
            self._length(value)
        return super()._deserialize(value, attr, data, **kwargs)
