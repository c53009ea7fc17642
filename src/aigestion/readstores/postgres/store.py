"""The read store in PostgreSQL: changes and checkpoint in one transaction."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import asyncpg
import msgspec

from aigestion.kernel.errors import ChangeRejected, CheckpointMoved, Misconfigured
from aigestion.readstores.batches import Batch, Deletes, DeletesWhere, Puts, batches
from aigestion.readstores.port import Change, Row, View
from aigestion.readstores.postgres.answering import answering
from aigestion.readstores.postgres.batches import alike

ROWS_FETCHED_AT_ONCE_MAX = 1_000
SCRIPTS = Path(__file__).parent / "sql"
PREPARING_LOCK = 5_102_019_644_031_781_001
"""Key of the advisory lock under which schemas and tables are made."""

_COLUMNS = (SCRIPTS / "columns.sql").read_text()
_CHECKPOINT = "SELECT position FROM {view}.checkpoint"
_LOCK_CHECKPOINT = "SELECT position FROM {view}.checkpoint FOR UPDATE"
_MOVE_CHECKPOINT = "UPDATE {view}.checkpoint SET position = $1"
_MOVE_FROM = "UPDATE {view}.checkpoint SET position = $1 WHERE position = $2 RETURNING position"
_DROP = "DROP SCHEMA IF EXISTS {view} CASCADE"
_SELECT = 'SELECT {columns} FROM {view}."{table}"'
_DELETE = "DELETE FROM {table} WHERE key = ANY($1::text[])"
_DELETE_WHERE_NULL = 'DELETE FROM {table} WHERE "{field}" IS NULL'

# The table itself says what type a field has: values travel as JSON, many rows in one parameter.
_UPSERT = (
    "INSERT INTO {table} ({names}) "
    "SELECT {names} FROM json_populate_recordset(NULL::{table}, $1::text::json) "
    "ON CONFLICT (key) DO {action}"
)
_DELETE_WHERE = (
    'DELETE FROM {table} WHERE "{field}" = '
    '(json_populate_record(NULL::{table}, $1::text::json))."{field}"'
)

_NOT_TAKEN = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
)
_NO_VIEW = (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError)


class PostgresReadStore:
    """Every collection is a table with a `key` and a column a field; every view has its own schema."""

    gather_seconds = 0.0
    kept_since: datetime | None = None

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._seen: dict[View, int] = {}

    async def prepare(self, view: View) -> None:
        """Make the view's schema and tables, all or nothing. Idempotent, in any number of processes."""
        script = _on(view, _template("view") + _template(view.projection))
        with answering():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute("SELECT pg_advisory_xact_lock($1)", PREPARING_LOCK)
                table = f"{view.name}.checkpoint"
                if await connection.fetchval("SELECT to_regclass($1)", table) is None:
                    await connection.execute(script)

    async def checkpoint(self, view: View) -> int | None:
        """The position the view reflects; None if there is no such view."""
        with answering():
            try:
                position = await self._pool.fetchval(_on(view, _CHECKPOINT))
            except _NO_VIEW:
                return None
        self._seen[view] = position
        return int(position)

    async def apply(
        self, view: View, changes: Sequence[Change], position: int, *, visible: bool = True
    ) -> None:
        """Apply in order, and move the checkpoint to `position`; again is the same as once.

        One writer at a time: the checkpoint's row is the lock. Who lost the race applies his changes
        once more, or nothing. Raises `CheckpointMoved` if the view went back since this store saw it
        (a restore, a crash), `Unavailable` if the database does not answer.

        The commit waits for the disk: a position that anybody read here is kept by a crash (ADR 0033).
        """
        async with self._writing(view) as connection:
            present = await self._move_checkpoint(connection, view, position)
            if present < position:
                await _write_all(connection, view, changes)
        self._seen[view] = max(present, position)

    async def amend(self, view: View, changes: Sequence[Change], position: int) -> None:
        """As the port says; raises as `apply` does."""
        async with self._writing(view) as connection:
            await self._lock_checkpoint(connection, view)
            await _write_all(connection, view, changes)

    @asynccontextmanager
    async def _writing(self, view: View) -> AsyncIterator[Any]:
        with answering(), _taking(view):
            async with self._pool.acquire() as connection, connection.transaction():
                try:
                    yield connection
                except _NO_VIEW as error:
                    gone = f"The view {view.name} is gone."
                    raise CheckpointMoved(gone, view=view.name) from error

    async def _move_checkpoint(self, connection: Any, view: View, position: int) -> int:
        """Lock the checkpoint's row and move it forward; returns what it said before.

        One statement, if it says what this store saw last.
        """
        seen = self._seen.get(view)
        if (
            seen is not None
            and seen < position
            and await connection.fetchval(_on(view, _MOVE_FROM), position, seen) is not None
        ):
            return seen
        present = await self._lock_checkpoint(connection, view)
        if present < position:
            await connection.execute(_on(view, _MOVE_CHECKPOINT), position)
        return present

    async def _lock_checkpoint(self, connection: Any, view: View) -> int:
        seen = self._seen.get(view, 0)
        present = await connection.fetchval(_on(view, _LOCK_CHECKPOINT))
        if present < seen:
            raise CheckpointMoved(
                f"The view {view.name} went back from {seen} to {present}; read its checkpoint again.",
                view=view.name,
                position=present,
            )
        return int(present)

    async def rows(self, view: View) -> AsyncIterator[Row]:
        """Every row of one moment. A field that is None is left out: it is as good as never put."""
        with answering():
            async with (
                self._pool.acquire() as connection,
                connection.transaction(isolation="repeatable_read", readonly=True),
            ):
                tables = await connection.fetch(_COLUMNS, view.name)
                for table, columns, json_columns in tables:
                    sql = _SELECT.format(columns=", ".join(columns), view=view.name, table=table)
                    async for record in connection.cursor(sql, prefetch=ROWS_FETCHED_AT_ONCE_MAX):
                        yield _row(table, record, json_columns)

    async def drop(self, view: View) -> None:
        """Remove the view and its checkpoint. Idempotent."""
        with answering():
            await self._pool.execute(_on(view, _DROP))
        self._seen.pop(view, None)

    async def serve(self, view: View) -> None:
        """Nothing to do: whoever asks names the view."""


@cache
def _template(name: str) -> str:
    path = SCRIPTS / f"{name}.sql"
    if not path.exists():
        raise Misconfigured(f"The projection {name} has no tables: {path} is missing.")
    return path.read_text()


def _on(view: View, statement: str) -> str:
    return statement.replace("{view}", view.name)


@contextmanager
def _taking(view: View) -> Iterator[None]:
    try:
        yield
    except _NOT_TAKEN as error:
        # Not the whole of it: its details quote the row, and what is said of an error is kept.
        raise ChangeRejected(
            f"{view.name} does not take a row: {error.args[0]}", view=view.name
        ) from error


async def _write_all(connection: Any, view: View, changes: Sequence[Change]) -> None:
    for collection, batch in batches(changes):
        await _write(connection, f'{view.name}."{collection}"', batch)


async def _write(connection: Any, table: str, batch: Batch) -> None:
    match batch:
        case Puts(rows):
            for fields, encoded in alike(rows):
                await connection.execute(_upsert(table, fields), encoded)
        case Deletes(keys):
            await connection.execute(_DELETE.format(table=table), keys)
        case DeletesWhere(field, None):
            await connection.execute(_DELETE_WHERE_NULL.format(table=table, field=field))
        case DeletesWhere(field, value):
            encoded = msgspec.json.encode({field: value}).decode()
            await connection.execute(_DELETE_WHERE.format(table=table, field=field), encoded)


@cache
def _upsert(table: str, fields: tuple[str, ...]) -> str:
    quoted = [f'"{field}"' for field in fields]
    overwrite = ", ".join(f"{field} = excluded.{field}" for field in quoted)
    return _UPSERT.format(
        table=table,
        names=", ".join(["key", *quoted]),
        action=f"UPDATE SET {overwrite}" if fields else "NOTHING",
    )


def _row(table: str, record: asyncpg.Record, json_columns: Sequence[str]) -> Row:
    fields = {name: value for name, value in record.items() if value is not None}
    key = fields.pop("key")
    for name in json_columns:
        if name in fields:
            fields[name] = msgspec.json.decode(fields[name])
    return Row(table, key, fields)
