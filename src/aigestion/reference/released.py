"""Shapes that were published stay readable: the schema of each type and version, and what would break it."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from aigestion.events.event import Event
from aigestion.messaging.asyncapi import envelope_schema

ENVELOPE = "envelope.v1.json"
_SAID_ONLY = ("title", "description", "default", "examples")
"""Changing these breaks nobody."""
_DEFS = "#/$defs/"


def shapes(events: Sequence[type[Event]]) -> dict[str, dict[str, Any]]:
    """The JSON Schema of each shape that is published now, by its file's name."""
    payloads = {f"{event.stored_as}.v{event.version}.json": inlined(event) for event in events}
    return {ENVELOPE: envelope_schema(), **payloads}


def broken(folder: Path, present: dict[str, dict[str, Any]]) -> list[str]:
    """What subscribers of released shapes would stumble over, a sentence each.

    An older version of a type that is still published in a newer one breaks nothing: its messages name
    the shape they have.
    """
    said = []
    versions = dict(_type_and_version(name) for name in present)
    for path in sorted(folder.glob("*.json")):
        name, version = _type_and_version(path.name)
        if name not in versions:
            said.append(f"{name} is no longer published under this name")
        elif versions[name] < version:
            said.append(f"{name} was published in version {version} and is in {versions[name]}")
        elif path.name in present:
            released = msgspec.json.decode(path.read_bytes())
            said += [f"{path.stem}: {what}" for what in breaks(released, present[path.name])]
    return said


def breaks(released: dict[str, Any], present: dict[str, Any], at: str = "") -> list[str]:
    """How `present` breaks readers of `released`: fields that are gone, changed their type, or are new and required."""
    if _is_struct(released) and _is_struct(present):
        return _broken_fields(released, present, at)
    for of_many in ("items", "additionalProperties"):
        before, after = released.get(of_many), present.get(of_many)
        if isinstance(before, dict) and isinstance(after, dict):
            return breaks(before, after, f"{at}[]")
    choices, now = released.get("anyOf", ()), present.get("anyOf", ())
    if choices and len(choices) == len(now):
        pairs = zip(choices, now, strict=True)
        return [what for one, other in pairs for what in breaks(one, other, at)]
    if _bare(released) == _bare(present):
        return []
    return [f"{at or 'it'} was {_shown(released)} and is {_shown(present)}"]


def inlined(struct: type[msgspec.Struct]) -> dict[str, Any]:
    """Its JSON Schema without references: one file says it all, and a change of what they led to shows."""
    schema = msgspec.json.schema(struct)
    encoded = msgspec.json.encode(_inlined(schema, schema.get("$defs", {})))
    whole: dict[str, Any] = msgspec.json.decode(encoded)
    return whole


def text(schema: dict[str, Any]) -> str:
    """A shape as its file has it."""
    return msgspec.json.format(msgspec.json.encode(schema), indent=2).decode() + "\n"


def _broken_fields(released: dict[str, Any], present: dict[str, Any], at: str) -> list[str]:
    before, now = released["properties"], present["properties"]
    said = []
    for name, schema in before.items():
        where = f"{at}.{name}" if at else name
        if name not in now:
            said.append(f"{where} was removed")
        else:
            said += breaks(schema, now[name], where)
    for name in _new(released.get("required", ()), present.get("required", ())):
        said.append(f"{at}.{name} is required now" if at else f"{name} is required now")
    return said


def _new(before: Iterable[str], now: Iterable[str]) -> list[str]:
    return [name for name in now if name not in set(before)]


def _inlined(node: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(node, dict):
        if "$ref" in node:
            return _inlined(definitions[node["$ref"].removeprefix(_DEFS)], definitions)
        return {name: _inlined(one, definitions) for name, one in node.items() if name != "$defs"}
    if isinstance(node, list | tuple):
        return [_inlined(one, definitions) for one in node]
    return node


def _is_struct(schema: dict[str, Any]) -> bool:
    return "properties" in schema


def _bare(node: Any) -> Any:
    """Without what is said about it."""
    if isinstance(node, dict):
        return {name: _bare(one) for name, one in node.items() if name not in _SAID_ONLY}
    return [_bare(one) for one in node] if isinstance(node, list) else node


def _shown(schema: dict[str, Any]) -> str:
    return msgspec.json.encode(_bare(schema)).decode()


def _type_and_version(file_name: str) -> tuple[str, int]:
    """`user.chat` and 1 of `user.chat.v1.json`."""
    name, _, version = file_name.removesuffix(".json").rpartition(".v")
    return name, int(version)
