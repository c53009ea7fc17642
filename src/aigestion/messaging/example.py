"""Example events, made from their types: what a document shows of each."""

import types
import typing
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

import msgspec

from aigestion.events.event import Event, tags_of
from aigestion.events.recorded import Recorded
from aigestion.messaging.cloudevents import to_message

_MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
_IDS = UUID("0199aa10-7c1e-5b1a-9d2c-0f4b1c2d3e4f")
_HASH = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

_TEXTS = {
    "agent": "assistant",
    "content_hash": _HASH[:32],
    "description": "Answers from the tenant's documents.",
    "finish_reason": "stop",
    "key_id": "3f9c1a7be204",
    "language": "es",
    "media_type": "text/markdown",
    "message": "The model did not answer in time; please ask again.",
    "model": "gpt-5-mini",
    "name": "Demo",
    "output_hash": _HASH,
    "partial_text": "A dense position is",
    "provider": "openai",
    "reason": "timeout",
    "requested_model": "gpt-5-mini",
    "returned_model": "gpt-5-mini-2026-08-07",
    "secret_hash": _HASH,
    "source": "ARCHITECTURE.md",
    "tenant": "demo",
    "text": "What is a dense position?",
    "title": "Architecture",
    "transcript": "¿Qué es una posición densa?",
    "user_id": "ana",
}
_LISTS: dict[str, tuple[Any, ...]] = {
    "hears": ("user.chat", "user.voice"),
    "scopes": ("read", "events"),
    "manifest": (f"user:{_IDS}:{_HASH[:16]}",),
}
_OBJECTS: dict[str, dict[str, Any]] = {
    "parameters": {"output_tokens_max": 1024},
    "properties": {"button": "buy"},
    "usage": {"input_tokens": 812, "output_tokens": 96},
}


def example_of(event: type[Event]) -> Event:
    """An event of this class; the same each time."""
    return typing.cast(Event, _struct(event))


def example_headers(event: type[Event]) -> dict[str, str]:
    """The headers its message would have."""
    example = example_of(event)
    message = to_message(
        Recorded(
            position=42,
            id=_id("event"),
            type=event.stored_as,
            schema_version=event.version,
            tags=tags_of(example),
            tenant="demo",
            actor="user:ana",
            correlation_id=_id("correlation"),
            causation_id=None,
            occurred_at=_MOMENT,
            recorded_at=_MOMENT,
            data=example,
        )
    )
    return message.headers


def _struct(struct: type[msgspec.Struct]) -> msgspec.Struct:
    hints = typing.get_type_hints(struct)
    return struct(**{name: _value(name, hints[name]) for name in struct.__struct_fields__})


def _value(name: str, hint: Any) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _value(name, next(one for one in arguments if one is not types.NoneType))
    if origin is tuple:
        return _LISTS[name] if name in _LISTS else (_value(name, arguments[0]),)
    if origin is dict:
        return _OBJECTS.get(name, {})
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return _struct(hint)
    plain: dict[Any, Any] = {
        str: _TEXTS.get(name, name),
        UUID: _id(name),
        int: 1,
        float: 0.5,
        bool: True,
        datetime: _MOMENT,
    }
    return plain[hint]


def _id(name: str) -> UUID:
    return uuid5(_IDS, name)
