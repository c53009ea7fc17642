"""Rows in a temporary SQLite database, which lives in memory until it is too large for that."""

import sqlite3
import weakref
from collections.abc import Iterable, Iterator
from typing import TypeAlias

Key: TypeAlias = tuple[str, str]
"""(collection, key) of a row."""
Found: TypeAlias = tuple[int, int, bytes | None]
"""The row's number, the last event that touched it, and its fields as JSON; None if it was deleted."""

CACHE_KIBIBYTES = 4 * 1024
ROWS_FETCHED_AT_ONCE_MAX = 500

_SCHEMA = """
CREATE TABLE rows (
    number INTEGER PRIMARY KEY,
    collection TEXT NOT NULL,
    key TEXT NOT NULL,
    position INTEGER NOT NULL,
    fields BLOB,
    UNIQUE (collection, key)
);
CREATE TABLE found_by (
    collection TEXT NOT NULL,
    field TEXT NOT NULL,
    value BLOB NOT NULL,
    key TEXT NOT NULL,
    PRIMARY KEY (collection, field, value, key)
) WITHOUT ROWID;
"""
_UPSERT = """
INSERT INTO rows (collection, key, position, fields) VALUES (?, ?, ?, ?)
ON CONFLICT (collection, key) DO UPDATE SET position = excluded.position, fields = excluded.fields
"""
_FIND = "SELECT number, position, fields FROM rows WHERE collection = ? AND key = ?"
_ALL = """
SELECT number, collection, key, fields FROM rows
WHERE fields IS NOT NULL AND number > ? ORDER BY number LIMIT ?
"""
_NOTE = "INSERT OR IGNORE INTO found_by (collection, field, value, key) VALUES (?, ?, ?, ?)"
_FIND_BY = "SELECT key FROM found_by WHERE collection = ? AND field = ? AND value = ?"


class RowsOnDisk:
    """What a fold does not hold in memory. Its file has no name: it is gone with the process."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute(f"PRAGMA cache_size = -{CACHE_KIBIBYTES}")
        self._database.executescript(_SCHEMA)
        weakref.finalize(self, self._database.close)

    def write(self, rows: Iterable[tuple[str, str, int, bytes | None]]) -> None:
        """Write (collection, key, position, fields) over what is there."""
        self._write_all(_UPSERT, rows)

    def note(self, entries: Iterable[tuple[str, str, bytes, str]]) -> None:
        """Remember (collection, field, value, key): `keys_by` finds the key by the value from now on."""
        self._write_all(_NOTE, entries)

    def find(self, key: Key) -> Found | None:
        """The row with this key, deleted or not; None if there never was one."""
        found: Found | None = self._database.execute(_FIND, key).fetchone()
        return found

    def keys_by(self, collection: str, field: str, value: bytes) -> list[str]:
        """The keys that were noted with this value; their rows may have another one since."""
        return [key for (key,) in self._database.execute(_FIND_BY, (collection, field, value))]

    def live(self) -> Iterator[tuple[int, Key, bytes]]:
        """(number, key, fields) of every row that is not deleted."""
        after = 0
        while True:
            # Page by page: a cursor left open would not see, or would spoil, what is written meanwhile.
            page = self._database.execute(_ALL, (after, ROWS_FETCHED_AT_ONCE_MAX)).fetchall()
            for number, collection, key, fields in page:
                yield number, (collection, key), fields
            if not page:
                return
            after = page[-1][0]

    def numbers(self) -> int:
        """No row has a higher number."""
        (highest,) = self._database.execute("SELECT coalesce(max(number), 0) FROM rows").fetchone()
        return int(highest)

    def _write_all(self, statement: str, rows: Iterable[tuple[object, ...]]) -> None:
        self._database.execute("BEGIN")
        self._database.executemany(statement, rows)
        self._database.execute("COMMIT")
