"""Write asyncapi.json, the AsyncAPI document of the topic and of `/changes`: of all events."""

import json
import re

from billor.config import API_VERSION
from billor.events.event import ACCOUNT_TYPES
from scripts.launcher.launcher import PROJECT
from scripts.payloads import PAYLOADS, SCHEMAS, Document, add_account_events, event_name
from scripts.write_openapi import openapi_spec

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
OF_THE_STREAM = {
    "ready": {"properties": {"resumed": {"type": "boolean"}}, "required": ["resumed"]},
    "end": {"properties": {"code": {"type": "string"}}, "required": ["code"]},
} | {name: {"maxProperties": 0} for name in ("many", "stale", "live")}
"""What `/changes` sends beside events."""


def asyncapi_document() -> str:
    """Return the document, made of the schemas of the OpenAPI document."""
    spec = openapi_spec()
    add_account_events(spec)
    document = _document(spec.to_dict()["components"]["schemas"])
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _document(known: Document) -> Document:
    schemas: Document = {name: {"type": "object"} | of for name, of in OF_THE_STREAM.items()}
    names = {event_name(type_): type_ for type_ in PAYLOADS}
    missing = [*names]
    while missing:
        name = missing.pop()
        if name not in schemas:
            schemas[name] = known[name]
            missing += re.findall(rf"{SCHEMAS}(\w+)", json.dumps(known[name]))
    of_work = [name for name, type_ in names.items() if type_ not in ACCOUNT_TYPES]
    messages = {
        name: {
            "name": names.get(name, name),
            "payload": {"$ref": SCHEMAS + name},
            "bindings": {"googlepubsub": PUBSUB} if name in names else {},
        }
        for name in [*names, *OF_THE_STREAM]
    }
    return {
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
        # Without those that forbid other properties: later versions may add some.
        "components": json.loads(
            json.dumps({"messages": messages, "schemas": schemas}),
            object_hook=lambda each: {
                key: value for key, value in each.items() if key != "additionalProperties"
            },
        ),
    }


def _channel(address: str, server: str, names: list[str]) -> Document:
    messages = {name: {"$ref": f"#/components/messages/{name}"} for name in names}
    return {"address": address, "servers": [{"$ref": f"#/servers/{server}"}], "messages": messages}


if __name__ == "__main__":
    (PROJECT / "asyncapi.json").write_text(asyncapi_document())
