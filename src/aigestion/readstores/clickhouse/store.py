"""The read store in ClickHouse: facts that are written once, whole, and counted."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import msgspec

from aigestion.kernel.errors import CheckpointMoved, Misconfigured, Unavailable
from aigestion.readstores.batches import Batch, Deletes, DeletesWhere, Puts, batches
from aigestion.readstores.clickhouse.engine import ClickHouse, NoSuchTable, Rows
from aigestion.readstores.port import Change, Row, View

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

SCRIPTS = Path(__file__).parent / "sql"
KEYS_IN_STATEMENT_MAX = 1_000

_CHECKPOINT = "checkpoint"
_EXISTS = "EXISTS TABLE {view}.checkpoint"
_POSITION = "SELECT count(), max(position) FROM {view}.checkpoint"
_SELECT = "SELECT {columns} FROM {view}.`{table}` FINAL"
_DELETE = "DELETE FROM {table} WHERE key IN {{keys:Array(String)}}"
_DELETE_WHERE = (
    # By key: else an older version of the row, not yet merged away, would come back.
    "DELETE FROM {table} WHERE key IN (SELECT key FROM {table} FINAL WHERE {condition})"
)
_TABLES = "SELECT name FROM system.tables WHERE database = {view:String}"
_COLUMNS = (
    "SELECT name, type, comment = 'json' FROM system.columns "
    "WHERE database = {view:String} AND table = {table:String} ORDER BY position"
)
_json = msgspec.json.Encoder(order="deterministic")


class Column(msgspec.Struct, frozen=True):
    """A field of a collection, as its table has it."""

    name: str
    type: str
    is_json: bool
    """Kept as JSON text: says the comment of the column."""


class ClickHouseReadStore:
    """Every collection is a table with a `key` and a column a field; every view has its own database.

    A `Put` names every field of its collection (None is a value), and the same key comes with the
    same sorting key: putting a row again replaces it. Deletes rewrite parts of a table: rare ones only.
    """

    @classmethod
    @asynccontextmanager
    async def open(cls, directory: Path) -> AsyncIterator[Self]:
        """Open the engine in this process on a directory of its own, and close it in the end.

        `Unavailable` if it cannot be opened, for instance because another process has it open.
        """
        engine = await ClickHouse.connect(interface="chdb", path=str(directory))
        try:
            yield cls(engine)
        finally:
            await engine.close()

    gather_seconds = 0.2
    """ClickHouse suffers from small inserts."""

    def __init__(self, engine: ClickHouse, scripts: Path = SCRIPTS) -> None:
        self._engine = engine
        self._scripts = scripts
        self._seen: dict[View, int] = {}

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
            statement = statement.replace(f"{{{view.projection}}}", view.name)
        try:
            return await self._engine.query(statement, parameters)
        except NoSuchTable as error:
            raise Unavailable("A view was just replaced.", engine="clickhouse") from error

    async def prepare(self, view: View) -> None:
        """Make the view's database and tables. Idempotent; a crash in between leaves no view."""
        script = self._scripts / f"{view.projection}.sql"
        if not script.exists():
            raise Misconfigured(
                f"The projection {view.projection} has no tables: {script} is missing."
            )
        tables = [script.read_text(), (SCRIPTS / "checkpoint.sql").read_text()]
        await self._engine.write(partial(_prepare, view=view, tables=tables))

    async def checkpoint(self, view: View) -> int | None:
        """The position the view reflects; None if there is no such view."""
        position = await self._engine.read(partial(_checkpoint, view=view))
        if position is not None:
            self._seen[view] = position
        return position

    async def apply(
        self, view: View, changes: Sequence[Change], position: int, *, visible: bool = True
    ) -> None:
        """Write the rows, then the checkpoint; what a crash leaves without one is written again.

        Raises `CheckpointMoved` if the view went back since this store saw it, or is gone,
        `Unavailable` if a server does not answer.
        """
        seen = self._seen.get(view, 0)
        self._seen[view] = await self._engine.write(
            partial(_apply, view=view, changes=changes, position=position, seen=seen)
        )

    async def amend(self, view: View, changes: Sequence[Change], position: int) -> None:
        """As the port says; raises as `apply` does."""
        await self._engine.write(partial(_amend, view=view, changes=changes))

    async def rows(self, view: View) -> AsyncIterator[Row]:
        """Every row, each collection as of one moment. A field that is None is left out."""
        for table in await self._engine.read(partial(_tables, view=view)):
            columns = await self._engine.read(partial(_columns, view=view, table=table))
            names = ", ".join(f"`{column.name}`" for column in columns)
            statement = _SELECT.format(columns=names, view=view.name, table=table)
            async for block in self._engine.stream(statement):
                for values in block:
                    yield _row(table, columns, values)

    async def drop(self, view: View) -> None:
        """Remove the view and its checkpoint. Idempotent."""
        await self._engine.write(
            lambda client: client.command(f"DROP DATABASE IF EXISTS {view.name}")
        )
        self._seen.pop(view, None)

    async def serve(self, view: View) -> None:
        """Nothing to do: whoever asks names the view."""


def _prepare(client: "Client", view: View, tables: Sequence[str]) -> None:
    client.command(f"CREATE DATABASE IF NOT EXISTS {view.name}")
    for table in tables:
        client.command(table.replace("{view}", view.name))
    if _checkpoint(client, view) is None:
        _move_checkpoint(client, view, 0)


def _checkpoint(client: "Client", view: View) -> int | None:
    if not client.command(_EXISTS.replace("{view}", view.name)):
        return None
    ((written, position),) = client.query(_POSITION.replace("{view}", view.name)).result_rows
    return int(position) if written else None


def _move_checkpoint(client: "Client", view: View, position: int) -> None:
    client.insert(
        _CHECKPOINT,
        [[position]],
        database=view.name,
        column_names=["position"],
        column_type_names=["UInt64"],
    )


def _apply(
    client: "Client", view: View, changes: Sequence[Change], position: int, seen: int
) -> int:
    """Returns the position the view reflects now."""
    present = _checkpoint(client, view)
    if present is None:
        raise CheckpointMoved(f"The view {view.name} is gone.", view=view.name)
    if present < seen:
        raise CheckpointMoved(
            f"The view {view.name} went back from {seen} to {present}; read its checkpoint again.",
            view=view.name,
            position=present,
        )
    if present >= position:
        return present
    _amend(client, view, changes)
    _move_checkpoint(client, view, position)
    return position


def _amend(client: "Client", view: View, changes: Sequence[Change]) -> None:
    if _checkpoint(client, view) is None:
        raise CheckpointMoved(f"The view {view.name} is gone.", view=view.name)
    for collection, batch in batches(changes):
        _write(client, view, collection, batch)


def _write(client: "Client", view: View, collection: str, batch: Batch) -> None:
    table = f"{view.name}.`{collection}`"
    match batch:
        case Puts(rows):
            columns = _columns(client, view, collection)
            client.insert(
                collection,
                [_values(collection, columns, key, fields) for key, fields in rows.items()],
                database=view.name,
                column_names=[column.name for column in columns],
                column_type_names=[column.type for column in columns],
            )
        case Deletes(keys):
            for start in range(0, len(keys), KEYS_IN_STATEMENT_MAX):
                some = {"keys": keys[start : start + KEYS_IN_STATEMENT_MAX]}
                client.command(_DELETE.format(table=table), some)
        case DeletesWhere(field, None):
            condition = f"`{field}` IS NULL"
            client.command(_DELETE_WHERE.format(table=table, condition=condition))
        case DeletesWhere(field, value):
            column = next(one for one in _columns(client, view, collection) if one.name == field)
            condition = f"`{field}` = {{value:{column.type}}}"
            client.command(
                _DELETE_WHERE.format(table=table, condition=condition),
                {"value": _as_stored(column, value)},
            )


def _tables(client: "Client", view: View) -> list[str]:
    found = client.query(_TABLES, {"view": view.name}).result_rows
    return [name for (name,) in found if name != _CHECKPOINT]


def _columns(client: "Client", view: View, table: str) -> list[Column]:
    found = client.query(_COLUMNS, {"view": view.name, "table": table}).result_rows
    if not found:
        raise Misconfigured(f"There is no collection {table} in {view.projection}.")
    return [Column(name, type_, bool(is_json)) for name, type_, is_json in found]


def _values(
    collection: str, columns: Sequence[Column], key: str, fields: Mapping[str, Any]
) -> list[Any]:
    if len(fields) + 1 != len(columns) or not all(
        column.name in fields for column in columns if column.name != "key"
    ):
        wrong = {column.name for column in columns} ^ {"key", *fields}
        raise Misconfigured(
            f"ClickHouse keeps whole rows: a put to {collection} must name its fields, all of them "
            f"and no others ({', '.join(sorted(wrong))})."
        )
    return [
        key if column.name == "key" else _as_stored(column, fields[column.name])
        for column in columns
    ]


def _as_stored(column: Column, value: Any) -> Any:
    return _json.encode(value).decode() if column.is_json and value is not None else value


def _row(table: str, columns: Sequence[Column], values: Sequence[Any]) -> Row:
    key = ""
    fields: dict[str, Any] = {}
    for column, value in zip(columns, values, strict=True):
        if column.name == "key":
            key = value
        elif value is not None:
            fields[column.name] = msgspec.json.decode(value) if column.is_json else value
    return Row(table, key, fields)
