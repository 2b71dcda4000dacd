"""Write asyncapi.json, the AsyncAPI document of the topic and of `/changes`: of all events."""

import json

from apispec import APISpec

from billor.config import API_VERSION
from billor.events.event import WORK_TYPES
from scripts.launcher.launcher import PROJECT
from scripts.payloads import PAYLOADS, SCHEMAS, Document, add_events, component_name, event_name
from scripts.write_openapi import SchemaPlugin

DESCRIPTION = """\
An event is on the topic at least once, in no fixed order; its `id` tells a repeated one. `/changes`
is a stream of Server-Sent Events: those of loads and drivers are each a `change`, and the other
messages have their own names. openapi.json has `/changes`, webhooks, and `/events`, the same events
in order. Ignore properties and types that you do not know.
"""
PUBSUB = {
    "bindingVersion": "0.2.0",
    "attributes": {
        "id": "The event's.",
        "type": "The event's, to filter by.",
        "traceparent": "The span that wrote it, if it was traced (W3C Trace Context).",
    },
}
OF_THE_STREAM: dict[str, Document] = {
    "ready": {
        "type": "object",
        "required": ["resumed"],
        "properties": {"resumed": {"type": "boolean"}},
    },
    "end": {"type": "object", "required": ["code"], "properties": {"code": {"type": "string"}}},
} | {name: {"type": "object", "maxProperties": 0} for name in ("many", "stale", "live")}
"""What `/changes` sends beside events."""


def asyncapi_document() -> str:
    """Return the document."""
    names = {event_name(type_): type_ for type_ in PAYLOADS}
    of_work = [event_name(type_) for type_ in WORK_TYPES]
    messages = {
        name: {
            "name": names.get(name, name),
            "payload": {"$ref": SCHEMAS + name},
            "bindings": {"googlepubsub": PUBSUB} if name in names else {},
        }
        for name in [*names, *OF_THE_STREAM]
    }
    document = {
        "asyncapi": "3.0.0",
        "info": {"title": "Billor", "version": API_VERSION, "description": DESCRIPTION},
        "defaultContentType": "application/json",
        "servers": {
            "pubsub": {"host": "pubsub.googleapis.com", "protocol": "googlepubsub"},
            "api": {"host": "127.0.0.1:8000", "protocol": "http"},
        },
        "channels": {
            "topic": _channel("load-events", "pubsub", [*names]),
            "changes": _channel("/changes", "api", [*of_work, *OF_THE_STREAM]),
        },
        "operations": {
            "publish": {"action": "send", "channel": {"$ref": "#/channels/topic"}},
            "stream": {"action": "send", "channel": {"$ref": "#/channels/changes"}},
        },
        "components": {"messages": messages, "schemas": _schemas()},
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _schemas() -> dict[str, Document]:
    spec = APISpec("Billor", API_VERSION, "3.1.0", plugins=[SchemaPlugin(component_name)])
    add_events(spec, PAYLOADS)
    schemas = spec.components.schemas | OF_THE_STREAM
    for schema in schemas.values():
        schema.pop("additionalProperties", None)  # later versions may add some
    return schemas


def _channel(address: str, server: str, names: list[str]) -> Document:
    messages = {name: {"$ref": f"#/components/messages/{name}"} for name in names}
    return {"address": address, "servers": [{"$ref": f"#/servers/{server}"}], "messages": messages}


if __name__ == "__main__":
    (PROJECT / "asyncapi.json").write_text(asyncapi_document())
