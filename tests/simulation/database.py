"""The database of a simulated installation: the double with the statements that the program sends to it."""

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from aigestion.eventstore import append_connection, postgres
from aigestion.messaging import leaderships
from tests.simulation.log_tables import LogTables, try_lock, unlock
from tests.simulation.loop import SimulationLoop
from tests.simulation.postgres import Backend, PostgresDouble, Row, ServerLock
from tests.simulation.view_tables import (
    ViewTables,
    begin,
    commit,
    locks_of,
    rollback,
    view_statement,
)


class Database(PostgresDouble):
    """Log, advisory locks and views on one server."""

    def __init__(self, loop: SimulationLoop, chance: random.Random) -> None:
        super().__init__(loop, chance, self._meaning)
        self.log = LogTables()
        self.views: dict[str, ViewTables] = {}
        self._known = self._statements()

    def locks(self) -> Iterator[ServerLock]:
        yield from self.log.locks()
        yield from locks_of(self.views)

    def _meaning(self, sql: str) -> Callable[..., Any]:
        found = self._known.get(sql)
        if found is None:
            found = self._known[sql] = view_statement(self, sql)
        return found

    def _statements(self) -> dict[str, Callable[..., Any]]:
        log = self.log
        return {
            append_connection._APPEND: lambda b, *a: log.append(self, b, *a),
            append_connection._BACKEND: lambda b: [Row.of(pid=b.pid, backend_start=b.started)],
            append_connection._END_BACKEND: self._end_backend,
            append_connection._POSITIONS: lambda _, ids: log.positions(ids),
            postgres._READ: lambda _, items, after, limit: log.read(items, after, limit),
            postgres._FIND: lambda _, event_id: log.find(event_id),
            postgres._HEAD: lambda _: [Row.of(position=len(log.events))],
            leaderships._TRY: self._try_all,
            leaderships._UNLOCK: self._unlock,
            "SELECT pg_try_advisory_lock($1)": lambda b, key: [Row.of(held=try_lock(self, b, key))],
            "SELECT 1": lambda _: [Row.of(one=1)],
            "BEGIN": begin,
            "ROLLBACK": rollback,
            "COMMIT": lambda b: commit(self, b),
        }

    def _end_backend(self, _: Backend, pid: int, started: Any) -> list[Row]:
        former = self.backends.get(pid)
        if former is None:
            return []
        self.kill(former)
        return [Row.of(ended=True)]

    def _try_all(self, backend: Backend, keys: Sequence[int]) -> list[Row]:
        return [Row.of(key=key) for key in keys if try_lock(self, backend, key)]

    def _unlock(self, backend: Backend, key: int) -> list[Row]:
        return [Row.of(unlocked=unlock(backend, key))]
