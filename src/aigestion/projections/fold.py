"""A projection folded from the log: what its view must hold, and which event put it there."""

import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec

from aigestion.events.recorded import Recorded
from aigestion.projections.fingerprint import Fingerprint, Tally, canonical
from aigestion.projections.folded_rows import FoldedRows, Sighting
from aigestion.projections.pace import ALONE, Pace
from aigestion.projections.projection import Projection
from aigestion.projections.rows_on_disk import Key
from aigestion.readstores.port import Change, Delete, DeleteWhere, Put, Row

ROWS_AT_ONCE_MAX = 100
"""A few milliseconds: then whoever shares the event loop has a turn."""


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
    """The rows of a projection after some events, in bounded memory."""

    def __init__(self, projection: Projection) -> None:
        self.position = 0
        self._projection = projection
        self._rows = FoldedRows()

    def __len__(self) -> int:
        return len(self._rows)

    def apply(self, event: Recorded[Any]) -> list[Change]:
        """Fold one more event in; returns its changes, for whoever writes them elsewhere too."""
        reads = self._projection.reads
        changes: list[Change] = []
        if reads is None or type(event.data) in reads:
            changes = list(self._projection.project(event))
            for change in changes:
                self._change(change, event.position)
        self.position = event.position
        return changes

    def passes(self, position: int) -> None:
        """The events up to this position change nothing: the projection does not read their types."""
        self.position = position

    def row(self, key: Key) -> Row | None:
        """The row with this key, if there is one."""
        fields = self._rows.get(key)
        return None if fields is None else Row(*key, fields)

    def rows(self) -> Iterator[Row]:
        """Every row, in no order."""
        for key in self._rows.keys():  # noqa: SIM118
            yield Row(*key, self._rows.get(key) or {})

    @property
    def fingerprint(self) -> Fingerprint:
        tally = Tally()
        for row in self._rows.canonicals():
            tally.add(row)
        return tally.total

    async def differences(
        self, rows: AsyncIterator[Row], pace: Pace = ALONE
    ) -> tuple[dict[Key, Row | None], Fingerprint]:
        """What a view has instead, row by row (None: nothing), and its fingerprint."""
        tally = Tally()
        sighting = Sighting(self._rows)
        wrong: dict[Key, Row | None] = {}
        seen, since = 0, time.monotonic()
        async for row in rows:
            found = canonical(row)
            tally.add(found)
            if not sighting.equals((row.collection, row.key), found):
                wrong[row.collection, row.key] = row
            seen += 1
            if seen % ROWS_AT_ONCE_MAX == 0:
                since = await pace.rest(since)
        return {**wrong, **dict.fromkeys(sighting.missing())}, tally.total

    def difference(self, key: Key, found: Row | None) -> Difference:
        """Describe a row that differs."""
        expected = self._rows.get(key)
        return Difference(
            collection=key[0],
            key=key[1],
            position=self._rows.touched(key),
            expected=None if expected is None else dict(expected),
            found=None if found is None else dict(found.fields),
        )

    def _change(self, change: Change, position: int) -> None:
        match change:
            case Put(collection, key, fields):
                self._rows.put((collection, key), fields, position)
            case Delete(collection, key):
                self._rows.delete((collection, key), position)
            case DeleteWhere(collection, field, value):
                self._rows.delete_where(collection, field, value, position)


def same(one: Row | None, other: Row | None) -> bool:
    """Whether two rows mean the same."""
    if one is None or other is None:
        return one is other
    return canonical(one) == canonical(other)
