"""Types as a reader of a page writes them."""

import types
import typing
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import SecretStr

_PLAIN: dict[Any, str] = {
    str: "text",
    int: "integer",
    float: "number",
    bool: "boolean",
    bytes: "bytes",
    UUID: "uuid",
    datetime: "timestamp",
    Path: "path",
    SecretStr: "secret",
    types.NoneType: "null",
    Any: "anything",
}


def type_name(hint: Any) -> str:
    """E.g. `text or null`, `list of uuid`, `"json" or "text"`."""
    if hint in _PLAIN:
        return _PLAIN[hint]
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return type_name(arguments[0])
    if origin is typing.Literal:
        return " or ".join(f'"{one}"' for one in arguments)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(type_name(one) for one in arguments)
    if origin in (tuple, list):
        return f"list of {type_name(arguments[0])}"
    if origin is dict:
        return "object"
    return str(getattr(hint, "__name__", hint))
