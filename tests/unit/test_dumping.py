"""A schema dumps as marshmallow would."""

from types import SimpleNamespace

import pytest
from marshmallow import Schema, fields

from billor.http.fields import Expanded, Id, Timestamp, WireSchema


class Inner(WireSchema):
    cargo_type = fields.String()


class Outer(WireSchema):
    id = Id()
    named = fields.String(attribute="name", dump_default="nobody")
    weight_kg = fields.Float(allow_none=True)
    at = Timestamp(data_key="happenedAt", dump_default=None)
    type = fields.Function(lambda outer: "made up")
    user = fields.String(attribute="payload.user", dump_default=None)
    inner = fields.Nested(Inner, dump_default=dict)
    driver = Expanded(Inner)
    secret = fields.String(load_only=True)


INNER = {"cargo_type": "Steel"}
WHOLE = {
    "id": 7,
    "name": "Dana",
    "weight_kg": None,
    "type": "of the object",
    "payload": {"user": "Dana"},
    "inner": INNER,
    "secret": "hidden",
}
OBJECTS = {
    "an object": SimpleNamespace(**WHOLE),
    "with a related one": SimpleNamespace(**WHOLE, driver=SimpleNamespace(**INNER)),
    "of which most is missing": SimpleNamespace(id=7),
    "several": [SimpleNamespace(id=1), SimpleNamespace(id=2, name="Dana")],
}


@pytest.mark.parametrize("given", OBJECTS.values(), ids=OBJECTS.keys())
def test_objects_are_dumped_as_marshmallow_does(given):
    schema, many = Outer(), isinstance(given, list)
    dumped = schema.dump(given, many=many)
    assert dumped == Schema._serialize(schema, given, many=many)
    assert dumped


def test_dicts_are_dumped_as_marshmallow_does():
    for given in (INNER, {}, {"other": 1}):
        assert Inner().dump(given) == Schema._serialize(Inner(), given)
    assert Inner().dump(INNER) == {"cargoType": "Steel"}
