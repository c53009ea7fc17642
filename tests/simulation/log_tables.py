"""What the log's statements mean: `eventstore/sql/migrations` in a list, under one lock."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from tests.simulation.postgres import Backend, PostgresDouble, Row, ServerLock

JUDGE_SECONDS = 0.001
COMMIT_SECONDS = 0.004
SLOW_COMMIT_SECONDS = 0.3
SLOW_COMMITS = 0.05

Guard = tuple[int, list[str], list[str], str | None]


class Stored(NamedTuple):
    """One row of `log.events`."""

    position: int
    recorded_at: datetime
    occurred_at: datetime
    id: UUID
    correlation_id: UUID
    causation_id: UUID | None
    schema_version: int
    type: str
    tenant: str
    actor: str
    tags: list[str]
    data: bytes

    def row(self) -> Row:
        values = self._asdict()
        first = {name: values.pop(name) for name in ("position", "occurred_at", "recorded_at")}
        return Row.of(**first, **values)


class LogTables:
    """The log of one server, and its advisory locks."""

    def __init__(self) -> None:
        self.turn = ServerLock()
        self.events: list[Stored] = []
        self.ids: dict[UUID, int] = {}
        self.judged: list[tuple[list[Guard], int, int]] = []
        """For each accepted request: its guards, the head before it, and its last position."""
        self._tags: defaultdict[str, list[int]] = defaultdict(list)

    def locks(self) -> Iterator[ServerLock]:
        yield self.turn

    async def append(
        self,
        server: PostgresDouble,
        backend: Backend,
        rows: Sequence[Any],
        row_requests: Sequence[int],
        guards: Sequence[Guard],
        guard_requests: Sequence[int],
    ) -> list[Row]:
        """`log.append`: judged and committed under the lock, whole or not at all."""
        slow_commits = SLOW_COMMITS
        if server.breaking:
            server.breaking -= 1
            slow_commits = 0.5
            server.counts["appends broken off"] += 1
            server.later(server.chance.random() * 0.01, server.break_off, backend)
        await self.take_turn(backend)
        try:
            await server.work(backend, server.chance.random() * JUDGE_SECONDS)
            head = len(self.events)
            refused = sorted(
                {
                    request
                    for guard, request in zip(guards, guard_requests, strict=True)
                    if self.meets(guard)
                }
            )
            accepted = [
                (row, request)
                for row, request in zip(rows, row_requests, strict=True)
                if request not in refused
            ]
            await server.work(backend, _commit_seconds(server, slow_commits))
            self._refuse_doubles(head, [row for row, _ in accepted])
            self._commit(server, head, accepted, guards, guard_requests)
        finally:
            self.turn.release(backend)
        return [Row.of(head_before=head, refused=refused)]

    async def take_turn(self, backend: Backend) -> None:
        """`PERFORM FROM log.turn FOR UPDATE`."""
        await self.turn.take(backend)

    def meets(self, guard: Guard) -> bool:
        """Whether an event later than the guard's position matches it."""
        after, types, tags, tenant = guard
        return any(_matches(one, types, tags, tenant) for one in self._later(after, tags))

    def read(self, items: Sequence[Guard], after: int, limit: int | None) -> list[Row]:
        """`log.read`."""
        if len(items) == 1:
            _, types, tags, tenant = items[0]
            found = (one for one in self._later(after, tags) if _matches(one, types, tags, tenant))
        else:
            found = (
                one
                for one in self.events[max(after, 0) :]
                if not items or any(_matches(one, *item[1:]) for item in items)
            )
        return [
            one.row()
            for one, _ in zip(found, range(10**9 if limit is None else limit), strict=False)
        ]

    def find(self, event_id: UUID) -> list[Row]:
        position = self.ids.get(event_id)
        return [] if position is None else [self.events[position - 1].row()]

    def positions(self, ids: Sequence[UUID]) -> list[Row]:
        return [Row.of(id=one, position=self.ids[one]) for one in ids if one in self.ids]

    def _later(self, after: int, tags: Sequence[str]) -> Iterator[Stored]:
        if not tags:
            yield from self.events[max(after, 0) :]
            return
        positions = self._tags.get(tags[0], ())
        for at in range(bisect_right(positions, after), len(positions)):
            yield self.events[positions[at] - 1]

    def _refuse_doubles(self, head: int, rows: Sequence[Any]) -> None:
        ids = [row[1] for row in rows]
        if len(set(ids)) < len(ids) or any(one in self.ids for one in ids):
            raise asyncpg.UniqueViolationError("duplicate key value violates events_id_key")
        if rows and len(self.events) != head:
            raise asyncpg.UniqueViolationError("duplicate key value violates events_pkey")

    def _commit(
        self,
        server: PostgresDouble,
        head: int,
        accepted: Sequence[tuple[Any, int]],
        guards: Sequence[Guard],
        guard_requests: Sequence[int],
    ) -> None:
        last: dict[int, int] = {}
        for row, request in accepted:
            position = len(self.events) + 1
            self.events.append(Stored(position, server.now(), *row))
            self.ids[row[1]] = last[request] = position
            for tag in row[8]:
                self._tags[tag].append(position)
        for request, position in last.items():
            own = [g for g, r in zip(guards, guard_requests, strict=True) if r == request]
            begins = min(p for p, (_, r) in enumerate(accepted, head + 1) if r == request)
            self.judged.append((own, begins - 1, position))
        server.loop.note("committed", head, len(accepted))


def _commit_seconds(server: PostgresDouble, slow_commits: float) -> float:
    """A disk takes its time, now and then a lot of it."""
    slow = server.chance.random() < slow_commits
    return server.chance.random() * (SLOW_COMMIT_SECONDS if slow else COMMIT_SECONDS)


def _matches(event: Stored, types: Sequence[str], tags: Sequence[str], tenant: str | None) -> bool:
    return (
        (not types or event.type in types)
        and all(tag in event.tags for tag in tags)
        and tenant in (None, event.tenant)
    )


def try_lock(server: PostgresDouble, backend: Backend, key: int) -> bool:
    """`pg_try_advisory_lock`: counted within a session, one session at a time."""
    if server.held_elsewhere(key, backend):
        return False
    backend.advisory[key] += 1
    former = server.leaders.get(key)
    if former is not None and former is not backend.session.owner:
        server.counts["locks taken over"] += 1
    server.leaders[key] = backend.session.owner
    return True


def unlock(backend: Backend, key: int) -> bool:
    """`pg_advisory_unlock`."""
    held = backend.advisory[key] > 0
    backend.advisory[key] -= held
    return held
