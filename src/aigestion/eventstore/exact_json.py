"""JSON that reads back as exactly what was written, or `InvalidInput` naming the field."""

import math
from collections.abc import Iterator
from typing import Any

import msgspec

from aigestion.kernel.errors import InvalidInput

NESTING_LEVELS_MAX = 100
"""Deeper values can be written and then not be read: decoders recurse."""

_encoder = msgspec.json.Encoder(order="deterministic")
_NOT_JSON = (TypeError, ValueError, OverflowError, msgspec.MsgspecError)


def encode_exactly(field: str, value: Any) -> bytes:
    """The JSON of one field's value; dicts are written in order of their keys.

    What the encoder lets pass and a reader would miss is searched for only where the bytes hint at it.
    """
    try:
        encoded = _encoder.encode(value)
    except UnicodeEncodeError as error:
        raise _invalid(field, "has a lone surrogate: it is not Unicode text") from error
    except RecursionError as error:
        raise _invalid(field, f"is nested deeper than {NESTING_LEVELS_MAX} levels") from error
    except _NOT_JSON as error:
        raise _invalid(field, "is not a value that JSON can hold") from error
    if b"\\u0000" in encoded and any("\0" in text for text in _texts(encoded)):
        raise _invalid(field, "contains a NUL character")
    if type(value) is str or value is None:
        return encoded
    if b"null" in encoded and any(not math.isfinite(number) for number in _floats(value)):
        raise _invalid(field, "contains a number that is not finite")
    if len(encoded) > NESTING_LEVELS_MAX and _levels(encoded) > NESTING_LEVELS_MAX:
        raise _invalid(field, f"is nested deeper than {NESTING_LEVELS_MAX} levels")
    return encoded


def _texts(encoded: bytes) -> Iterator[str]:
    """Every text of a JSON value, keys included."""
    open_values = [msgspec.json.decode(encoded)]
    while open_values:
        match open_values.pop():
            case str(text):
                yield text
            case dict(members):
                open_values += [*members, *members.values()]
            case list(items):
                open_values += items
            case _:
                pass


def _floats(value: Any) -> Iterator[float]:
    """Every float of a value as it was before it was encoded."""
    open_values = [value]
    while open_values:
        match open_values.pop():
            case float(number):
                yield number
            case dict(members):
                open_values += members.values()
            case list(items) | tuple(items) | set(items) | frozenset(items):
                open_values += items
            case msgspec.Struct() as struct:
                open_values += msgspec.structs.astuple(struct)
            case _:
                pass


def _levels(encoded: bytes) -> int:
    """How deep a JSON value is nested at most; counted only if it has enough brackets."""
    if encoded.count(b"[") + encoded.count(b"{") <= NESTING_LEVELS_MAX:
        return 0
    levels = 0
    open_values = [msgspec.json.decode(encoded)]
    while open_values := [
        inner
        for value in open_values
        if isinstance(value, dict | list)
        for inner in (value.values() if isinstance(value, dict) else value)
    ]:
        levels += 1
    return levels


def _invalid(field: str, message: str) -> InvalidInput:
    return InvalidInput(f"{field} {message}.", errors=[{"field": field, "message": message}])
