"""Events as messages: CloudEvents 1.0 in binary mode, the envelope in headers, the event as JSON.

Header values are percent-encoded as the CloudEvents HTTP binding says, which the NATS binding shares;
a decoded attribute is what is described here.
"""

from datetime import datetime
from functools import cache
from typing import Any
from urllib.parse import quote, unquote
from uuid import UUID

import msgspec

from aigestion.events.catalog import Catalog
from aigestion.events.event import Event
from aigestion.events.recorded import Recorded
from aigestion.messaging.port import Message
from aigestion.messaging.subjects import event_subject

DATA_BYTES_MAX = 512 * 1024
"""Larger events are fetched from the log; brokers refuse messages over 1 MiB."""

DATAREF = "ce-dataref"
"""The header of a message whose event is to be fetched over HTTP."""

_PLAIN = "!#$&'()*+,-./:;<=>?@[\\]^_`{|}~"
"""What stays as it is in a header, beside letters and digits: printable ASCII but space, `"` and `%`."""


def to_message(recorded: Recorded[Any]) -> Message:
    """The message of an event. Data over `DATA_BYTES_MAX` is replaced by a `dataref` to the log."""
    event: type[Event] = type(recorded.data)
    data = msgspec.json.encode(recorded.data)
    attributes = {
        "ce-specversion": "1.0",
        "ce-id": str(recorded.id),
        "ce-type": recorded.type,
        "ce-source": f"/aigestion/{recorded.tenant}",
        "ce-time": recorded.occurred_at.isoformat(),
        "ce-dataschema": data_schema(event),
        "ce-position": str(recorded.position),
        "ce-tenant": recorded.tenant,
        "ce-actor": recorded.actor,
        "ce-correlationid": str(recorded.correlation_id),
        "ce-schemaversion": str(recorded.schema_version),
        "ce-recordedtime": recorded.recorded_at.isoformat(),
    }
    if recorded.tags:
        attributes["ce-subject"] = recorded.tags[0]
        attributes["ce-tags"] = _join(recorded.tags)
    if recorded.causation_id is not None:
        attributes["ce-causationid"] = str(recorded.causation_id)
    if recorded.erased:
        attributes["ce-erased"] = _join(recorded.erased)
    if len(data) > DATA_BYTES_MAX:
        attributes[DATAREF] = f"/v1/events?after={recorded.position - 1}&limit=1"
        data = b"{}"
    headers = {name: quote(value, safe=_PLAIN) for name, value in attributes.items()}
    headers["content-type"] = "application/json"
    return Message(
        position=recorded.position,
        subject=event_subject(recorded.tenant, recorded.type),
        headers=headers,
        data=data,
    )


def from_message(message: Message, catalog: Catalog) -> Recorded[Event] | None:
    """The event of a message; None if it must be read from the log.

    That is so when the data is too large for a message, and when the relay that published it and
    this program do not know the same version of the type. Raises `UnknownEvent`, and
    `msgspec.ValidationError` or `KeyError` for a message no relay of ours wrote.
    """
    version = int(message.headers["ce-schemaversion"])
    event = catalog.event_class(_attribute(message, "ce-type"), version)
    if DATAREF in message.headers or _attribute(message, "ce-dataschema") != data_schema(event):
        return None
    return recorded_of(message, _decoder(event).decode(message.data))


def recorded_of(message: Message, data: Any) -> Recorded[Any]:
    """The envelope of a message, with this data. `KeyError` if no relay of ours wrote it."""
    value = {name: unquote(text) for name, text in message.headers.items()}
    causation = value.get("ce-causationid")
    return Recorded(
        position=message.position,
        id=UUID(value["ce-id"]),
        type=value["ce-type"],
        schema_version=int(value["ce-schemaversion"]),
        tags=tags_in(message.headers),
        tenant=value["ce-tenant"],
        actor=value["ce-actor"],
        correlation_id=UUID(value["ce-correlationid"]),
        causation_id=UUID(causation) if causation else None,
        occurred_at=datetime.fromisoformat(value["ce-time"]),
        recorded_at=datetime.fromisoformat(value["ce-recordedtime"]),
        data=data,
        erased=_split(message.headers.get("ce-erased")),
    )


def _attribute(message: Message, name: str) -> str:
    return unquote(message.headers[name])


def tags_in(headers: dict[str, str]) -> tuple[str, ...]:
    """The tags a message carries."""
    return _split(headers.get("ce-tags"))


@cache
def data_schema(event: type[Event]) -> str:
    """Names the shape the data is in: the type's present version, not the one it was stored in."""
    return f"urn:aigestion:{event.stored_as}:{event.version}"


@cache
def _decoder(event: type[Event]) -> msgspec.json.Decoder[Event]:
    return msgspec.json.Decoder(event)


def _join(texts: tuple[str, ...]) -> str:
    """A list as one attribute: separated by spaces, each text's own spaces percent-encoded."""
    return " ".join(quote(text, safe=_PLAIN) for text in texts)


def _split(header: str | None) -> tuple[str, ...]:
    return tuple(unquote(text) for text in unquote(header or "").split())
