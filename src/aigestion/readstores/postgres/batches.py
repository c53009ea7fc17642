"""Rows as Postgres takes them: those that set the same fields travel in one statement."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

STATEMENT_BYTES_MAX = 8 * 1024 * 1024


def alike(rows: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[tuple[str, ...], str]]:
    """(fields, JSON array of rows): rows that set the same fields, at most so many bytes at a time."""
    groups: dict[tuple[str, ...], list[bytes]] = {}
    for key, fields in rows.items():
        row = msgspec.json.encode({"key": key, **fields})
        groups.setdefault(tuple(sorted(fields)), []).append(row)
    for names, encoded in groups.items():
        for part in _parts(encoded):
            yield names, f"[{b','.join(part).decode()}]"


def _parts(rows: list[bytes]) -> Iterator[list[bytes]]:
    part: list[bytes] = []
    size = 0
    for row in rows:
        if part and size + len(row) > STATEMENT_BYTES_MAX:
            yield part
            part, size = [], 0
        part.append(row)
        size += len(row)
    yield part
