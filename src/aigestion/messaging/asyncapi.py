"""The AsyncAPI 3.0 document: every type of event a NATS subscriber can hear, made from the catalog."""

from collections.abc import Sequence
from typing import Any

import msgspec

from aigestion import __version__
from aigestion.events.catalog import EVENTS
from aigestion.events.described import field_sentences, sentence
from aigestion.events.event import Event, shape_of
from aigestion.messaging.cloudevents import data_schema
from aigestion.messaging.example import example_headers, example_of
from aigestion.messaging.subjects import event_subject

TENANT_PATTERN = "^[a-z0-9][a-z0-9-]{0,62}$"
ENVELOPE = "Envelope"
_SCHEMAS = "#/components/schemas/"
_MESSAGES = "#/components/messages/"

_HEADERS: dict[str, tuple[dict[str, Any], str]] = {
    "content-type": ({"const": "application/json"}, "What the payload is."),
    "ce-specversion": ({"const": "1.0"}, "Of CloudEvents."),
    "ce-id": (
        {"type": "string", "format": "uuid"},
        "The event's id: the same wherever it is read.",
    ),
    "ce-type": ({"type": "string"}, "The stable name of the type."),
    "ce-source": ({"type": "string"}, "`/aigestion/<tenant>`."),
    "ce-time": ({"type": "string", "format": "date-time"}, "When it happened."),
    "ce-dataschema": (
        {"type": "string"},
        "The shape of the payload: `urn:aigestion:<type>:<version>`.",
    ),
    "ce-subject": ({"type": "string"}, "The first tag, e.g. `conversation:<id>`."),
    "ce-position": (
        {"type": "string", "pattern": "^[1-9][0-9]*$"},
        "The position in the log, and the sequence in the stream: dense, so a gap is a loss.",
    ),
    "ce-tenant": ({"type": "string", "pattern": TENANT_PATTERN}, "Whose event it is."),
    "ce-actor": (
        {"type": "string"},
        "Who did it: `user:<id>`, `agent:<name>`, `key:<id>`, `system`.",
    ),
    "ce-correlationid": ({"type": "string", "format": "uuid"}, "What belongs together shares it."),
    "ce-causationid": (
        {"type": "string", "format": "uuid"},
        "The id of the event this one is due to.",
    ),
    "ce-schemaversion": ({"type": "string"}, "The version of the type in which the log holds it."),
    "ce-recordedtime": ({"type": "string", "format": "date-time"}, "When it came into the log."),
    "ce-tags": ({"type": "string"}, "All tags, separated by spaces."),
    "ce-erased": ({"type": "string"}, "Fields whose text was erased, separated by spaces."),
    "ce-dataref": (
        {"type": "string"},
        "Where to read an event that is too large for a message; the payload is `{}` then.",
    ),
}
_NOT_ALWAYS = {"ce-subject", "ce-causationid", "ce-tags", "ce-erased", "ce-dataref"}


def document(events: Sequence[type[Event]] = EVENTS) -> dict[str, Any]:
    """The document as plain values; the same for the same catalog."""
    return {
        "asyncapi": "3.0.0",
        "id": "urn:aigestion:events",
        "info": {
            "title": "AIGestion events",
            "version": __version__,
            "description": (
                "Everything that is recorded, on NATS JetStream, as CloudEvents 1.0 in binary mode. "
                "The stream's sequence is the log's position: 1, 2, 3… without holes. Values of `ce-` "
                "headers are percent-encoded."
            ),
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "nats": {
                "host": "{address}",
                "protocol": "nats",
                "description": "`nats_url` in `connect.json`, with a credential that may only subscribe.",
                "variables": {"address": {"default": "127.0.0.1:4222"}},
            }
        },
        "channels": {event.stored_as: _channel(event) for event in events},
        "operations": {f"hear.{event.stored_as}": _operation(event) for event in events},
        "components": {
            "schemas": _schemas(events),
            "messages": {
                **{event.stored_as: _message(event) for event in events},
                "fetched": _fetched(),
            },
        },
    }


def document_json() -> bytes:
    """The document as it is served and kept in `docs/reference`."""
    return msgspec.json.format(msgspec.json.encode(document()), indent=2) + b"\n"


def _channel(event: type[Event]) -> dict[str, Any]:
    return {
        "address": event_subject("{tenant}", event.stored_as),
        "title": event.stored_as,
        "description": sentence(event),
        "parameters": {"tenant": {"description": "Whose events; a slug, e.g. `demo`."}},
        "messages": {
            event.stored_as: {"$ref": _MESSAGES + event.stored_as},
            "fetched": {"$ref": _MESSAGES + "fetched"},
        },
    }


def _operation(event: type[Event]) -> dict[str, Any]:
    """AIGestion sends, subscribers receive."""
    channel = f"#/channels/{event.stored_as}"
    return {
        "action": "send",
        "channel": {"$ref": channel},
        "summary": sentence(event),
        "messages": [
            {"$ref": f"{channel}/messages/{name}"} for name in (event.stored_as, "fetched")
        ],
    }


def _message(event: type[Event]) -> dict[str, Any]:
    example = example_of(event)
    return {
        "name": event.stored_as,
        "title": event.stored_as,
        "summary": sentence(event),
        "contentType": "application/json",
        "headers": _headers(
            {
                "ce-type": {"const": event.stored_as},
                "ce-dataschema": {"const": data_schema(event)},
            }
        ),
        "payload": {"$ref": _SCHEMAS + event.__name__},
        "examples": [{"headers": example_headers(event), "payload": _plain(example)}],
    }


def _fetched() -> dict[str, Any]:
    """A message without its payload."""
    return {
        "name": "fetched",
        "title": "An event to fetch",
        "summary": "Any event over 512 KiB: read it at `ce-dataref` over HTTP.",
        "contentType": "application/json",
        "headers": _headers({}, "ce-dataref"),
        "payload": {"type": "object", "maxProperties": 0},
    }


def _headers(narrowed: dict[str, dict[str, Any]], *also: str) -> dict[str, Any]:
    """The envelope, with what is known of one message."""
    here: dict[str, Any] = {"properties": narrowed}
    return {"allOf": [{"$ref": _SCHEMAS + ENVELOPE}, {**here, "required": [*narrowed, *also]}]}


def envelope_schema() -> dict[str, Any]:
    """The JSON Schema of the headers that every message has."""
    return {
        "title": ENVELOPE,
        "description": "The headers of every message: CloudEvents attributes, percent-encoded.",
        "type": "object",
        "properties": {
            name: {**schema, "description": said} for name, (schema, said) in _HEADERS.items()
        },
        "required": sorted(_HEADERS.keys() - _NOT_ALWAYS),
    }


def _schemas(events: Sequence[type[Event]]) -> dict[str, Any]:
    _, schemas = msgspec.json.schema_components(events, ref_template=_SCHEMAS + "{name}")
    for event in events:
        properties = schemas[event.__name__]["properties"]
        for name, said in field_sentences(event).items():
            properties[name] = {**properties[name], "description": said}
        for name, subject_field in shape_of(event).personal:
            properties[name] = {**properties[name], "x-personal": subject_field}
    return {ENVELOPE: envelope_schema(), **_plain(schemas)}


def _plain(value: Any) -> Any:
    """As JSON has it: lists, no tuples."""
    return msgspec.json.decode(msgspec.json.encode(value))
