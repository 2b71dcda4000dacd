"""JSON as it is meant to be exchanged (RFC 8259): UTF-8, and no field twice in an object."""

import json
from typing import Any

MAX_NAME_TOLD = 100
"""Characters of a field's name that an error repeats. Clients choose unknown names."""


class DoubledField(ValueError):
    """A field is there twice, so that nobody knows which one counts."""

    def __init__(self, name: str):
        self.name = name[:MAX_NAME_TOLD]
        super().__init__(self.name)


def read_json(text: bytes | str) -> Any:
    """Return the value. Raises `DoubledField`, other `ValueError`s, and `RecursionError`."""
    if isinstance(text, bytes):
        text = text.decode()
    return json.loads(text, object_pairs_hook=_without_doubles)


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in pairs:
        if name in fields:
            raise DoubledField(name)
        fields[name] = value
    return fields
