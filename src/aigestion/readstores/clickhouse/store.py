"""The read store in ClickHouse: facts that are written once, whole, and counted."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any, Self, TypeAlias

import msgspec

from aigestion.kernel.errors import CheckpointMoved, Misconfigured, Unavailable
from aigestion.readstores.batches import Batch, Deletes, DeletesWhere, Puts, batches
from aigestion.readstores.clickhouse.columns import Column, Table
from aigestion.readstores.clickhouse.engine import Engine, NoSuchTable, Rows
from aigestion.readstores.clickhouse.tables import CHECKPOINT, IN_PROCESS, Layout
from aigestion.readstores.port import Change, Row, View

KEYS_IN_STATEMENT_MAX = 1_000

_POSITION = "SELECT count(), max(position) FROM {database}.checkpoint"
_SELECT = "SELECT {columns} FROM {database}.`{table}` FINAL"
_DELETE = "DELETE FROM {table} WHERE key IN {{keys:Array(String)}}"
_DELETE_WHERE = (
    # By key: else an older version of the row, not yet merged away, would come back.
    "DELETE FROM {table} WHERE key IN (SELECT key FROM {table} FINAL WHERE {condition})"
)
_COLUMNS = (
    "SELECT table, name, type, comment = 'json' FROM system.columns "
    "WHERE database = {database:String} ORDER BY table, position"
)


class Insert(msgspec.Struct, frozen=True):
    """Rows to be put, lot after lot."""

    table: Table
    lots: list[bytes]


class Run(msgspec.Struct, frozen=True):
    """A statement to be run."""

    statement: str
    parameters: Mapping[str, Any]


Step: TypeAlias = Insert | Run


class ClickHouseReadStore:
    """Every collection is a table with a `key` and a column a field; every view has its own database.

    A `Put` names every field of its collection (None is a value), and the same key comes with the
    same sorting key: putting a row again replaces it. Deletes rewrite parts of a table: rare ones only.
    """

    gather_seconds = 0.2
    """ClickHouse suffers from small inserts."""

    @classmethod
    @asynccontextmanager
    async def open(cls, directory: Path, *, sparing: bool = False) -> AsyncIterator[Self]:
        """The engine in this process, on a directory of its own; `sparing` as `EmbeddedClickHouse.open` says.

        `Unavailable` if it cannot be opened, for instance because another process has it open.
        """
        from aigestion.readstores.clickhouse.chdb import EmbeddedClickHouse

        async with EmbeddedClickHouse.open(directory, sparing=sparing) as engine:
            yield cls(engine)

    @classmethod
    @asynccontextmanager
    async def connect(
        cls,
        url: str,
        *,
        namespace: str,
        cluster: str | None = None,
        retention_days: int | None = None,
        ca_file: Path | None = None,
    ) -> AsyncIterator[Self]:
        """A server, by its HTTP interface: `https://user:password@host:8443`.

        `Misconfigured` says what to do about a bad URL, credentials, version or cluster;
        `Unavailable` if nobody answers.
        """
        from aigestion.readstores.clickhouse.http import ClickHouseServer

        async with ClickHouseServer.connect(url, cluster=cluster, ca_file=ca_file) as engine:
            layout = Layout(namespace=namespace, cluster=cluster, retention_days=retention_days)
            yield cls(engine, layout)

    def __init__(self, engine: Engine, layout: Layout = IN_PROCESS) -> None:
        self._engine = engine
        self._layout = layout
        self._writing: defaultdict[View, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._known: dict[View, Mapping[str, Table]] = {}
        self._seen: dict[View, int] = {}

    @property
    def kept_since(self) -> datetime | None:
        """Rows of what occurred earlier may be missing in a view that serves; None if all are kept.

        A day short of the retention, so that no row expires while it is looked at.
        """
        days = self._layout.retention_days
        return None if days is None else datetime.now(UTC) - timedelta(days=days - 1)

    async def ping(self) -> None:
        """`Unavailable` if the engine does not answer."""
        await self._engine.query("SELECT 1")

    async def query(
        self, statement: str, views: Sequence[View], parameters: Mapping[str, Any]
    ) -> Rows:
        """Ask views: `{activity}` is the database of the view of that projection, `{name:Type}` a parameter.

        `Unavailable` if a view was dropped meanwhile.
        """
        for view in views:
            statement = statement.replace(f"{{{view.projection}}}", self._layout.database(view))
        try:
            return await self._engine.query(statement, parameters)
        except NoSuchTable as error:
            raise Unavailable("A view was just replaced.", engine="clickhouse") from error

    async def prepare(self, view: View) -> None:
        """Make the view's database and tables. Idempotent; a crash in between leaves no view."""
        async with self._writing[view]:
            for statement in self._layout.statements(view):
                await self._engine.run(statement)
            if await self._position(view) is None:
                await self._move_checkpoint(view, 0)

    async def checkpoint(self, view: View) -> int | None:
        """The position the view reflects; None if there is no such view."""
        position = await self._position(view)
        if position is not None:
            self._seen[view] = position
        return position

    async def apply(
        self, view: View, changes: Sequence[Change], position: int, *, visible: bool = True
    ) -> None:
        """Write the rows, then the checkpoint; what a crash leaves without one is written again.

        Raises `CheckpointMoved` if the view went back since this store saw it, or is gone.
        """
        await self.apply_packed(view, [await self.pack(view, changes)], position)

    async def pack(self, view: View, changes: Sequence[Change]) -> Sequence[Step]:
        """As `Packs` says; `CheckpointMoved` if the view is gone."""
        tables = await self._tables(view)
        if not tables:
            raise _gone(view)
        steps: list[Step] = []
        for collection, batch in batches(changes):
            steps += await self._steps(view, _table(tables, collection), batch)
        return steps

    async def apply_packed(
        self, view: View, packs: Sequence[Sequence[Step]], position: int
    ) -> None:
        """As `Packs` says; raises as `apply` does."""
        async with self._writing[view]:
            present = await self._position_to_go_on_from(view)
            if present < position:
                await self._write(view, packs)
                await self._move_checkpoint(view, position)
            self._seen[view] = max(present, position)

    async def amend(self, view: View, changes: Sequence[Change], position: int) -> None:
        """As the port says; raises as `apply` does."""
        packed = await self.pack(view, changes)
        async with self._writing[view]:
            await self._position_to_go_on_from(view)
            await self._write(view, [packed])

    async def rows(self, view: View) -> AsyncIterator[Row]:
        """Every row, each collection as of one moment. A field that is None is left out."""
        for table in (await self._tables(view)).values():
            columns = ", ".join(f"`{name}`" for name in table.types)
            statement = _SELECT.format(
                columns=columns, database=self._layout.database(view), table=table.name
            )
            blocks = self._engine.blocks(statement)
            async with aclosing(blocks):
                async for block in blocks:
                    for values in block:
                        yield table.row(values)

    async def serve(self, view: View) -> None:
        """The view serves from now on: the contract's views show it. Idempotent.

        Its old rows may go, if there is a retention. Not earlier: until then it is compared with the
        log, and has all of it.
        """
        for statement in self._layout.contract(view):
            await self._engine.run(statement)
        for table in (await self._tables(view)).values():
            expiry = self._layout.expiry(view, table.name)
            if expiry is not None and "occurred_at" in table.types:
                await self._engine.run(expiry)

    async def drop(self, view: View) -> None:
        """Remove the view and its checkpoint. Idempotent."""
        async with self._writing[view]:
            await self._engine.run(self._layout.drop(view))
            self._known.pop(view, None)
            self._seen.pop(view, None)

    async def _position(self, view: View) -> int | None:
        statement = _POSITION.format(database=self._layout.database(view))
        try:
            ((written, position),) = await self._engine.query(statement)
        except NoSuchTable:
            self._known.pop(view, None)
            return None
        return int(position) if written else None

    async def _position_to_go_on_from(self, view: View) -> int:
        seen, present = self._seen.get(view, 0), await self._position(view)
        if present is None:
            raise _gone(view)
        if present < seen:
            raise CheckpointMoved(
                f"The view {view.name} went back from {seen} to {present}; read its checkpoint again.",
                view=view.name,
                position=present,
            )
        return present

    async def _move_checkpoint(self, view: View, position: int) -> None:
        with _there(view):
            database = self._layout.database(view)
            await self._engine.insert(
                database, CHECKPOINT, {"position": "UInt64"}, b"[%d]\n" % position
            )

    async def _write(self, view: View, packs: Sequence[Sequence[Step]]) -> None:
        database = self._layout.database(view)
        with _there(view):
            for step in _joined(chain.from_iterable(packs)):
                match step:
                    case Insert(table, lots):
                        lines = b"".join(lots)
                        await self._engine.insert(database, table.name, table.types, lines)
                    case Run(statement, parameters):
                        await self._engine.run(statement, parameters)

    async def _steps(self, view: View, table: Table, batch: Batch) -> Sequence[Step]:
        name = f"{self._layout.database(view)}.`{table.name}`"
        match batch:
            case Puts(rows):
                return [Insert(table, [await table.lines(rows)])]
            case Deletes(keys):
                starts = range(0, len(keys), KEYS_IN_STATEMENT_MAX)
                some = [{"keys": keys[start : start + KEYS_IN_STATEMENT_MAX]} for start in starts]
                return [Run(_DELETE.format(table=name), keys) for keys in some]
            case DeletesWhere(field, None):
                condition = f"`{field}` IS NULL"
                return [Run(_DELETE_WHERE.format(table=name, condition=condition), {})]
            case DeletesWhere(field, value):
                column = next(one for one in table.columns if one.name == field)
                condition = f"`{field}` = {{value:{column.type}}}"
                statement = _DELETE_WHERE.format(table=name, condition=condition)
                return [Run(statement, {"value": column.stored(value)})]

    async def _tables(self, view: View) -> Mapping[str, Table]:
        """The collections of a view: a view never changes its shape."""
        if view not in self._known:
            database = self._layout.database(view)
            tables: dict[str, list[Column]] = {}
            for table, *column in await self._engine.query(_COLUMNS, {"database": database}):
                if table != CHECKPOINT:
                    name, type_, is_json = column
                    tables.setdefault(table, []).append(Column(name, type_, bool(is_json)))
            if not tables:
                return {}
            self._known[view] = {name: Table(name, columns) for name, columns in tables.items()}
        return self._known[view]


def _joined(steps: Iterable[Step]) -> Sequence[Step]:
    """The same steps: what is put to one table in turn is one insert."""
    joined: list[Step] = []
    for step in steps:
        last = joined[-1] if joined else None
        if not isinstance(step, Insert):
            joined.append(step)
        elif isinstance(last, Insert) and last.table is step.table:
            last.lots.extend(step.lots)
        else:
            joined.append(Insert(step.table, [*step.lots]))
    return joined


def _table(tables: Mapping[str, Table], collection: str) -> Table:
    if collection not in tables:
        raise Misconfigured(f"There is no collection {collection} among {', '.join(tables)}.")
    return tables[collection]


@contextmanager
def _there(view: View) -> Iterator[None]:
    try:
        yield
    except NoSuchTable as error:
        raise _gone(view) from error


def _gone(view: View) -> CheckpointMoved:
    return CheckpointMoved(f"The view {view.name} is gone.", view=view.name)
