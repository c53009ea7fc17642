"""What this process knows of a view it writes to: what of it searches may not find yet."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from aigestion.readstores.elasticsearch.collections import as_stored
from aigestion.readstores.port import Put

ROWS_MAX = 50_000
"""So many rows are remembered between two refreshes."""


class Known:
    """What this process knows of a view it writes to."""

    def __init__(self) -> None:
        self.writing = asyncio.Lock()
        self.position = 0
        self.recent: Recent | None = None
        """None: something may be unrefreshed, nobody knows what."""
        self.hidden: set[str] | None = None
        """Collections with something unrefreshed; None: any."""
        self.purged_at = time.monotonic()

    def see(self, position: int) -> None:
        """If the checkpoint is not where we left it, somebody else was here."""
        if position != self.position:
            self.position, self.recent, self.hidden = position, None, None

    def hide(self, collection: str) -> None:
        if self.hidden is not None:
            self.hidden.add(collection)


class Recent:
    """Rows of a view that were written since its last refresh, by fields that rows are deleted by.

    A search may not find them yet, or as they were: with these, deleting by value needs no refresh.
    """

    def __init__(self, fields: Iterable[tuple[str, str]]) -> None:
        """`fields`: those, each with its collection, that rows are deleted by from now on."""
        self._of: dict[str, dict[str, _ByValue]] = {}
        for collection, field in fields:
            self._of.setdefault(collection, {})[field] = _ByValue()

    def __len__(self) -> int:
        return sum(len(by.values) for fields in self._of.values() for by in fields.values())

    @property
    def fields(self) -> set[tuple[str, str]]:
        return {(collection, field) for collection, fields in self._of.items() for field in fields}

    def put(self, put: Put) -> None:
        for field, by in self._of.get(put.collection, {}).items():
            by.put(put.key, as_stored(put.fields[field]))

    def delete(self, collection: str, key: str) -> None:
        for by in self._of.get(collection, {}).values():
            by.delete(key)

    def by(self, collection: str, field: str) -> "_ByValue":
        return self._of[collection][field]


class _ByValue:
    """Rows by the value of one field."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        """By key; `_GONE` for a row that was deleted. A search that finds a key from here is out of date."""
        self._keys: defaultdict[Any, set[str]] = defaultdict(set)

    def put(self, key: str, value: Any) -> None:
        self.delete(key)
        self.values[key] = value
        self._keys[value].add(key)

    def delete(self, key: str) -> None:
        before = self.values.get(key, _GONE)
        if before is not _GONE:
            self._keys[before].discard(key)
        self.values[key] = _GONE

    def keys(self, value: Any) -> list[str]:
        return list(self._keys.get(value, ()))


_GONE = object()
