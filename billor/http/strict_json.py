"""Strict JSON (RFC 8259): UTF-8, and no duplicate fields in an object."""

import json
from typing import Any

# Characters of a field's name that an error repeats. Clients choose unknown names.
MAX_NAME_TOLD = 100


class DoubledField(ValueError):
    """An object has a field twice, which is ambiguous."""

    def __init__(self, name: str):
        self.name = name[:MAX_NAME_TOLD]
        super().__init__(self.name)


def read_json(text: bytes | str) -> Any:
    """Parse JSON; bytes may begin with a byte order mark (RFC 8259, section 8.1).

    Raises `DoubledField`, other `ValueError`s, and `RecursionError`.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8-sig")
    return json.loads(text, object_pairs_hook=_without_duplicates)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in pairs:
        if name in fields:
            raise DoubledField(name)
        fields[name] = value
    return fields
