"""What the statements of the Postgres read store mean: rows and a checkpoint a view, changed by transactions."""

import re
from collections import deque
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import asyncpg
import msgspec

from tests.simulation.postgres import Backend, PostgresDouble, Row, ServerLock

FORGOTTEN_SECONDS_MAX = 6.0

_NAMED = re.compile(r'(\w+_v\d+_g\d+)\."?(\w+)"?')
_FIELD = re.compile(r'"(\w+)"')


class ViewTables:
    """One view: its rows by (collection, key), its checkpoint, and what it may forget (`lose_some`)."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], dict[str, Any]] = {}
        self.checkpoint = 0
        self.lock = ServerLock()
        self.regressions = 0
        """How often a commit moved the checkpoint back."""
        self.ahead_of_log = 0
        self._undo: deque[tuple[float, dict[tuple[str, str], dict[str, Any]], int]] = deque()

    def commit(self, server: Any, writes: list[Callable[["ViewTables"], None]]) -> None:
        now = server.loop.time()
        while self._undo and self._undo[0][0] < now - FORGOTTEN_SECONDS_MAX:
            self._undo.popleft()
        before = self.checkpoint
        self._undo.append((now, {at: dict(row) for at, row in self.rows.items()}, before))
        for write in writes:
            write(self)
        self.regressions += self.checkpoint < before
        self.ahead_of_log += self.checkpoint > len(server.log.events)

    def lose_some(self, server: PostgresDouble) -> int:
        """Of the last commits some are gone, newest first. Returns how many."""
        recent = [one for one in self._undo if one[0] >= server.loop.time() - FORGOTTEN_SECONDS_MAX]
        lost = server.chance.randint(0, len(recent))
        if lost:
            _, self.rows, self.checkpoint = recent[-lost]
            self._undo.clear()
        return lost


def view_statement(server: Any, sql: str) -> Callable[..., Any]:
    """The meaning of one of the read store's statements."""
    name, table, do = _parsed(sql)

    def run(backend: Backend, *arguments: Any) -> Any:
        view = server.views.get(name)
        if view is None:
            raise asyncpg.UndefinedTableError(f'relation "{name}.{table}" does not exist')
        return do(server, view, backend, table, *arguments)

    return run


@cache
def _parsed(sql: str) -> tuple[str, str, Callable[..., Any]]:
    named = _NAMED.search(sql)
    assert named is not None, f"the simulation does not know the statement: {sql}"
    if sql.startswith("INSERT"):
        listed = sql[sql.index("(") : sql.index(")")]
        fields = tuple(_FIELD.findall(listed))
        return named[1], named[2], lambda *a: _upsert(fields, *a)
    for start, end, do in _MEANINGS:
        if sql.startswith(start) and sql.endswith(end):
            return named[1], named[2], do
    raise AssertionError(f"the simulation does not know the statement: {sql}")


def _checkpoint(server: Any, view: ViewTables, backend: Backend, table: str) -> list[Row]:
    return [Row.of(position=view.checkpoint)]


async def _lock_checkpoint(
    server: Any, view: ViewTables, backend: Backend, table: str
) -> list[Row]:
    await view.lock.take(backend)
    return [Row.of(position=view.checkpoint)]


def _move(server: Any, view: ViewTables, backend: Backend, table: str, position: int) -> list[Row]:
    return _write(server, view, backend, lambda v: setattr(v, "checkpoint", position))


async def _move_from(
    server: Any, view: ViewTables, backend: Backend, table: str, position: int, seen: int
) -> list[Row]:
    """The row is locked first, and looked at then: as `UPDATE` does at read committed."""
    await view.lock.take(backend)
    if view.checkpoint != seen:
        return []
    _move(server, view, backend, table, position)
    return [Row.of(position=position)]


def _upsert(
    fields: tuple[str, ...], server: Any, view: ViewTables, backend: Backend, table: str, rows: str
) -> list[Row]:
    decoded = msgspec.json.decode(rows)

    def put(v: ViewTables) -> None:
        for row in decoded:
            new = {name: row.get(name) for name in fields}
            v.rows.setdefault((table, row["key"]), {}).update(new)

    return _write(server, view, backend, put)


def _delete(
    server: Any, view: ViewTables, backend: Backend, table: str, keys: list[str]
) -> list[Row]:
    def delete(v: ViewTables) -> None:
        for key in keys:
            v.rows.pop((table, key), None)

    return _write(server, view, backend, delete)


_MEANINGS: tuple[tuple[str, str, Callable[..., Any]], ...] = (
    ("SELECT position FROM", ".checkpoint", _checkpoint),
    ("SELECT position FROM", ".checkpoint FOR UPDATE", _lock_checkpoint),
    ("UPDATE", "WHERE position = $2 RETURNING position", _move_from),
    ("UPDATE", "SET position = $1", _move),
    ("DELETE FROM", "WHERE key = ANY($1::text[])", _delete),
)


def _write(
    server: Any, view: ViewTables, backend: Backend, do: Callable[[ViewTables], None]
) -> list[Row]:
    """Part of the transaction, or one of its own."""
    if backend.transaction is None:
        view.commit(server, [do])
    else:
        backend.transaction.append((view, do))  # type: ignore[arg-type]
    return []


def begin(backend: Backend) -> list[Row]:
    backend.transaction = []
    return []


def rollback(backend: Backend) -> list[Row]:
    backend.transaction = None
    for lock in list(backend.locks):
        lock.release(backend)
    return []


def commit(server: Any, backend: Backend) -> list[Row]:
    """All of it at once, and its locks are free."""
    writes: dict[int, tuple[ViewTables, list[Any]]] = {}
    for view, do in backend.transaction or ():  # type: ignore[misc]
        writes.setdefault(id(view), (view, []))[1].append(do)
    for view, own in writes.values():
        view.commit(server, own)
        server.loop.note("view", view.checkpoint)
    return rollback(backend)


def locks_of(views: dict[str, ViewTables]) -> Iterator[ServerLock]:
    for view in views.values():
        yield view.lock
