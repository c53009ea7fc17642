"""A projection folded in memory: what its view must hold, and which event put it there."""

from collections.abc import AsyncIterator, Iterator
from typing import Any, TypeAlias

import msgspec

from aigestion.events.recorded import Recorded
from aigestion.projections.fingerprint import Fingerprint, Tally, canonical
from aigestion.projections.projection import Projection
from aigestion.readstores.port import Change, Delete, DeleteWhere, Put, Row

Key: TypeAlias = tuple[str, str]
"""(collection, key) of a row."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """A row that is not what the log makes it."""

    collection: str
    key: str
    position: int | None
    """The last event that touched it; None if no event ever did."""
    expected: dict[str, Any] | None
    """None if there must be no such row."""
    found: dict[str, Any] | None
    """None if the view does not have it."""


class Fold:
    """The rows of a projection after some events."""

    def __init__(self, projection: Projection) -> None:
        self.position = 0
        self._projection = projection
        self._rows: dict[Key, dict[str, Any]] = {}
        self._touched: dict[Key, int] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def apply(self, event: Recorded[Any]) -> list[Change]:
        """Fold one more event in; returns its changes, for whoever writes them elsewhere too."""
        reads = self._projection.reads
        if reads is None or type(event.data) in reads:
            changes = list(self._projection.project(event))
            for change in changes:
                for key in self._change(change):
                    self._touched[key] = event.position
        else:
            changes = []
        self.position = event.position
        return changes

    def row(self, key: Key) -> Row | None:
        """The row with this key, if there is one."""
        fields = self._rows.get(key)
        return None if fields is None else Row(*key, fields)

    @property
    def fingerprint(self) -> Fingerprint:
        tally = Tally()
        for key, fields in self._rows.items():
            tally.add(Row(*key, fields))
        return tally.total

    async def differences(
        self, rows: AsyncIterator[Row]
    ) -> tuple[dict[Key, Row | None], Fingerprint]:
        """What a view has instead, row by row (None: nothing), and its fingerprint."""
        tally = Tally()
        missing = set(self._rows)
        wrong: dict[Key, Row | None] = {}
        async for row in rows:
            tally.add(row)
            key = (row.collection, row.key)
            missing.discard(key)
            if not same(self.row(key), row):
                wrong[key] = row
        return {**wrong, **dict.fromkeys(missing)}, tally.total

    def difference(self, key: Key, found: Row | None) -> Difference:
        """Describe a row that differs."""
        expected = self._rows.get(key)
        return Difference(
            collection=key[0],
            key=key[1],
            position=self._touched.get(key),
            expected=None if expected is None else dict(expected),
            found=None if found is None else dict(found.fields),
        )

    def _change(self, change: Change) -> Iterator[Key]:
        """Carry out a change; names the rows it touches."""
        match change:
            case Put(collection, key, fields):
                self._rows.setdefault((collection, key), {}).update(fields)
                yield collection, key
            case Delete(collection, key):
                self._rows.pop((collection, key), None)
                yield collection, key
            case DeleteWhere(collection, field, value):
                doomed = [
                    at
                    for at, row in self._rows.items()
                    if at[0] == collection and row.get(field) == value
                ]
                for at in doomed:
                    del self._rows[at]
                yield from doomed


def same(one: Row | None, other: Row | None) -> bool:
    """Whether two rows mean the same."""
    if one is None or other is None:
        return one is other
    return canonical(one) == canonical(other)
