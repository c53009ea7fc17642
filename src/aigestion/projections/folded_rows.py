"""The rows of a fold: those touched last in memory, the others on disk, so that any log can be folded."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import msgspec

from aigestion.projections.fingerprint import canonical_of, encoded
from aigestion.projections.rows_on_disk import Key, RowsOnDisk

ROWS_IN_MEMORY_MAX = 2_000
CHARS_IN_MEMORY_MAX = 4 * 1024 * 1024
ROWS_MOVED_AT_ONCE_MAX = 500
"""A few milliseconds: whoever shares the event loop with a fold is not kept waiting."""


class _Row(msgspec.Struct):
    fields: dict[str, Any] | None
    """None if it was deleted: which event did that is still of interest."""
    position: int
    chars: int = 0


class FoldedRows:
    """Rows by key, each with the last event that touched it."""

    def __init__(self) -> None:
        self._recent: dict[Key, _Row] = {}
        self._chars = 0
        self._live = 0
        self._disk: RowsOnDisk | None = None
        self._keys_by: dict[str, dict[str, dict[bytes, set[str]]]] = {}
        """By collection, field and value: the keys in memory that had it. Made when first asked for."""

    def __len__(self) -> int:
        return self._live

    def get(self, key: Key) -> dict[str, Any] | None:
        """The fields of a row; read off the disk, they are what JSON made of them."""
        row = self._find(key)
        return None if row is None else row.fields

    def touched(self, key: Key) -> int | None:
        """The last event that touched this row; None if none ever did."""
        row = self._find(key)
        return None if row is None else row.position

    def put(self, key: Key, fields: Mapping[str, Any], position: int) -> None:
        """Set these fields, leave the others."""
        row = self._taken(key, position)
        if row.fields is None:
            row.fields = {}
            self._live += 1
        row.fields.update(fields)
        chars = sum(len(value) for value in row.fields.values() if type(value) is str)
        self._chars += chars - row.chars
        row.chars = chars
        for field, keys in self._keys_by.get(key[0], {}).items():
            keys.setdefault(encoded(row.fields.get(field)), set()).add(key[1])
        self._make_room()

    def delete(self, key: Key, position: int) -> None:
        """Remove a row, if it is there."""
        row = self._taken(key, position)
        if row.fields is not None:
            self._live -= 1
            self._chars -= row.chars
            row.fields, row.chars = None, 0
        self._make_room()

    def delete_where(self, collection: str, field: str, value: Any, position: int) -> list[Key]:
        """Remove the rows that have this value; returns their keys."""
        wanted = encoded(value)
        doomed = []
        for key in self._candidates(collection, field, wanted):
            fields = self.get((collection, key))
            if fields is not None and encoded(fields.get(field)) == wanted:
                doomed.append((collection, key))
        for at in doomed:
            self.delete(at, position)
        return doomed

    def keys(self) -> Iterator[Key]:
        """The key of every row there is."""
        yield from (key for key, row in self._recent.items() if row.fields is not None)
        yield from (key for _, key, _ in self._on_disk_only())

    def canonicals(self) -> Iterator[bytes]:
        """Every row, as fingerprints have it."""
        for key, row in self._recent.items():
            if row.fields is not None:
                yield canonical_of(key, encoded_fields(row.fields))
        for _, key, fields in self._on_disk_only():
            yield canonical_of(key, fields)

    def _on_disk_only(self) -> Iterator[tuple[int, Key, bytes]]:
        """The rows that are not in memory too, newer."""
        if self._disk is not None:
            yield from (found for found in self._disk.live() if found[1] not in self._recent)

    def _find(self, key: Key) -> _Row | None:
        row = self._recent.get(key)
        if row is None and self._disk is not None:
            found = self._disk.find(key)
            if found is not None:
                _, position, fields = found
                row = _Row(None if fields is None else msgspec.json.decode(fields), position)
        return row

    def _taken(self, key: Key, position: int) -> _Row:
        """The row in memory, touched."""
        row = self._recent.get(key)
        if row is None:
            row = self._recent[key] = self._find(key) or _Row(None, position)
        row.position = position
        return row

    def _make_room(self) -> None:
        if len(self._recent) > ROWS_IN_MEMORY_MAX or self._chars > CHARS_IN_MEMORY_MAX:
            self._disk = self._disk or RowsOnDisk()
            moved = dict(islice(self._recent.items(), ROWS_MOVED_AT_ONCE_MAX))
            in_order = sorted(moved.items(), key=lambda item: item[0])
            self._disk.write((*key, row.position, _stored(row)) for key, row in in_order)
            for key, row in moved.items():
                del self._recent[key]
                self._chars -= row.chars
            self._note_moved(moved)

    def _note_moved(self, moved: Mapping[Key, _Row]) -> None:
        """They are looked up on disk from now on."""
        entries = []
        for (collection, key), row in moved.items():
            for field, keys in self._keys_by.get(collection, {}).items():
                if row.fields is not None:
                    value = encoded(row.fields.get(field))
                    entries.append((collection, field, value, key))
                    had = keys.get(value, set())
                    had.discard(key)
                    if not had:
                        keys.pop(value, None)
        if entries and self._disk is not None:
            self._disk.note(entries)

    def _candidates(self, collection: str, field: str, value: bytes) -> list[str]:
        """The keys of all rows that have this value, and of some that had it."""
        fields = self._keys_by.setdefault(collection, {})
        if field not in fields:
            fields[field] = self._index(collection, field)
        keys = list(fields[field].get(value, ()))
        if self._disk is not None:
            keys += self._disk.keys_by(collection, field, value)
        return list(dict.fromkeys(keys))

    def _index(self, collection: str, field: str) -> dict[bytes, set[str]]:
        """Find rows by a field from now on: those in memory here, those on disk there."""
        keys: dict[bytes, set[str]] = {}
        for (one, key), row in self._recent.items():
            if one == collection and row.fields is not None:
                keys.setdefault(encoded(row.fields.get(field)), set()).add(key)
        if self._disk is not None:
            self._disk.note(
                (collection, field, encoded(msgspec.json.decode(fields).get(field)), key)
                for _, (one, key), fields in self._disk.live()
                if one == collection
            )
        return keys


class Sighting:
    """Which rows of a fold a view has shown: a byte a row that is on disk."""

    def __init__(self, rows: FoldedRows) -> None:
        self._rows = rows
        self._recent: set[Key] = set()
        disk = rows._disk
        self._numbers = bytearray(disk.numbers() + 1 if disk is not None else 0)

    def equals(self, key: Key, canonical: bytes) -> bool:
        """Note that the view has this row; says whether it is what the fold has."""
        row = self._rows._recent.get(key)
        if row is not None:
            self._recent.add(key)
            expected = None if row.fields is None else encoded_fields(row.fields)
        else:
            disk = self._rows._disk
            found = None if disk is None else disk.find(key)
            if found is None:
                return False
            number, _, expected = found
            self._numbers[number] = 1
        return expected is not None and canonical_of(key, expected) == canonical

    def missing(self) -> Iterator[Key]:
        """The rows that the view has not shown."""
        for key, row in self._rows._recent.items():
            if row.fields is not None and key not in self._recent:
                yield key
        if len(self._numbers) - sum(self._numbers) > 1:
            yield from (key for n, key, _ in self._rows._on_disk_only() if not self._numbers[n])


def encoded_fields(fields: Mapping[str, Any]) -> bytes:
    """The fields as JSON; None is as good as absent."""
    return encoded({name: value for name, value in fields.items() if value is not None})


def _stored(row: _Row) -> bytes | None:
    return None if row.fields is None else encoded_fields(row.fields)
