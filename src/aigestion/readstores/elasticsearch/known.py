"""What this process knows of a view it writes to: what of it searches may not find yet."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

ROWS_MAX = 20_000
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
    """The rows of a view that were written since its last refresh, by what they can be deleted by.

    A search may not find them yet, or as they were: with these, deleting by value needs no refresh.
    """

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], Mapping[str, Any] | None] = {}
        self._keys: dict[tuple[str, str], defaultdict[Any, set[str]]] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def put(self, collection: str, key: str, fields: Mapping[str, Any] | None) -> None:
        """Remember a row; None: that it was deleted."""
        before = self._rows.get((collection, key))
        self._rows[collection, key] = fields
        for (of, field), keys in self._keys.items():
            if of == collection:
                if before is not None:
                    keys[before[field]].discard(key)
                if fields is not None:
                    keys[fields[field]].add(key)

    def knows(self, collection: str, key: str) -> bool:
        """Whether what a search finds of this row is out of date."""
        return (collection, key) in self._rows

    def keys(self, collection: str, field: str, value: Any) -> list[str]:
        """Of the rows here that have this value."""
        keys = self._keys.get((collection, field))
        if keys is None:
            keys = self._keys[collection, field] = defaultdict(set)
            for (of, key), fields in self._rows.items():
                if of == collection and fields is not None:
                    keys[fields[field]].add(key)
        return list(keys.get(value, ()))
