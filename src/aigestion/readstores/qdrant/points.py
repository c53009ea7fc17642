"""Rows as points: what a point carries, and which text its vector stands for."""

import json
from collections.abc import Mapping
from typing import Any, TypeAlias
from uuid import UUID, uuid5

import msgspec

from aigestion.kernel.errors import ChangeRejected
from aigestion.readstores.port import Row

COLLECTION, KEY, MODEL, POSITION = "_collection", "_key", "_embedding_model", "_position"
"""What a point carries beside its row's fields. `_position`: as of when it was written."""
_OWN = frozenset({COLLECTION, KEY, MODEL, POSITION})
_POINTS = UUID("3c0f6c0e-5f55-5a8e-9d1c-2b7f3c1a9e40")

CHECKPOINT_ID = str(UUID(int=0))
"""A reserved point: no row and no vector, only the position that the view reflects."""

POINT_BYTES_MAX = 4_000_000
"""What a server takes in one request is 32 MB unless it is told otherwise."""

Payload: TypeAlias = dict[str, Any]


def point_id(collection: str, key: str) -> str:
    """The id of a row's point: derived, so that a row that is put again is found."""
    return str(uuid5(_POINTS, f"{collection}/{key}"))


def payload_of(collection: str, key: str, fields: Mapping[str, Any]) -> Payload:
    """What a row's point carries: the fields as JSON has them, and whose they are."""
    present = {name: value for name, value in fields.items() if value is not None}
    return {**msgspec.to_builtins(present), COLLECTION: collection, KEY: key}


def check(payload: Payload) -> None:
    """`ChangeRejected` for a row that no engine will ever take."""
    try:
        size = len(json.dumps(payload, ensure_ascii=False, allow_nan=False).encode())
    except (TypeError, ValueError) as error:
        raise ChangeRejected(f"The row {payload[KEY]} is not JSON: {error}") from error
    if size > POINT_BYTES_MAX:
        raise ChangeRejected(
            f"The row {payload[KEY]} has {size:,} bytes; a point has at most {POINT_BYTES_MAX:,}."
        )


def fields_of(payload: Payload) -> dict[str, Any]:
    """The fields of a point's row."""
    return {name: value for name, value in payload.items() if name not in _OWN}


def row_of(payload: Payload) -> Row:
    """The row of a point."""
    return Row(payload[COLLECTION], payload[KEY], fields_of(payload))


def is_row(payload: Payload) -> bool:
    """Whether a point stands for a row: the checkpoint does not, nor what is left of a deleted one."""
    return COLLECTION in payload


def embedded_text(payload: Payload) -> str | None:
    """The text that is found by its meaning: `text`, with `title` before it; None for other rows."""
    text = payload.get("text")
    if not isinstance(text, str):
        return None
    title = payload.get("title") or ""
    return text if text.startswith(title) else f"{title}\n\n{text}"
