"""Postgres and memory agree: the same appends and questions get the same answers, whatever they are."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any

import asyncpg
import pytest
import uuid_utils
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aigestion.eventstore.memory import MemoryEventStore
from aigestion.eventstore.port import EventStore, NewEvent
from aigestion.eventstore.postgres import PostgresEventStore
from aigestion.kernel.errors import AIGestionError
from aigestion.kernel.query import AppendCondition, Query, QueryItem
from tests.support.log import migrated, new_event, postgres_event_store

SCENARIOS = 60

types = st.sampled_from(["a", "b", "c"])
tags = st.sampled_from(["demo/x:1", "demo/x:2", "demo/y:1"])
tenants = st.sampled_from(["demo", "other"])
queries = st.builds(
    Query,
    st.lists(
        st.builds(
            QueryItem,
            st.lists(types, max_size=2).map(tuple),
            st.lists(tags, max_size=2).map(tuple),
            st.none() | tenants,
        ),
        max_size=3,
    ).map(tuple),
)
conditions = st.builds(AppendCondition, queries, st.integers(0, 12))
batches = st.lists(st.tuples(types, st.lists(tags, max_size=3), tenants), min_size=1, max_size=3)
steps = st.one_of(
    st.tuples(st.just("append"), batches, st.lists(conditions, max_size=2)),
    st.tuples(st.just("read"), queries, st.integers(-1, 12), st.none() | st.integers(0, 4)),
)


@pytest.fixture
def laboratory(postgres_admin_url: str) -> Iterator["Laboratory"]:
    with asyncio.Runner() as runner:
        one = Laboratory(runner, postgres_admin_url)
        yield one
        runner.run(one.close())


def test_both_stores_give_the_same_answers(laboratory: "Laboratory") -> None:
    @settings(max_examples=SCENARIOS, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(steps, max_size=14))
    def scenario(script: list) -> None:
        laboratory.run(compared, script)

    scenario()


def test_requests_of_one_group_end_as_if_they_came_in_some_order(
    laboratory: "Laboratory",
) -> None:
    @settings(max_examples=SCENARIOS, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.tuples(batches, st.lists(conditions, max_size=2)), max_size=10))
    def scenario(requests: list) -> None:
        laboratory.run(raced, requests)

    scenario()


async def compared(postgres: PostgresEventStore, script: list) -> None:
    memory = MemoryEventStore()
    for kind, *arguments in script:
        if kind == "append":
            batch, guards = arguments
            events = events_of(batch)
            outcomes = [await outcome(store, events, guards) for store in (memory, postgres)]
        else:
            query, after, limit = arguments
            outcomes = [
                [
                    (one.position, one.event)
                    for one in await store.read(query, after=after, limit=limit)
                ]
                for store in (memory, postgres)
            ]
        assert outcomes[0] == outcomes[1]
    assert await memory.head() == await postgres.head()


async def raced(postgres: PostgresEventStore, requests: list) -> None:
    """Replaying what passed, in the order of positions, must pass; what was refused must have been refusable."""
    offered = [(events_of(batch), guards) for batch, guards in requests]
    outcomes = await asyncio.gather(*(outcome(postgres, *request) for request in offered))
    stored = [one.event.id for one in await postgres.read()]

    replay = MemoryEventStore()
    passed = sorted(
        (position, index) for index, position in enumerate(outcomes) if isinstance(position, int)
    )
    for position, index in passed:
        assert await outcome(replay, *offered[index]) == position
    assert [one.event.id for one in await replay.read()] == stored
    for index, told in enumerate(outcomes):
        if not isinstance(told, int):
            assert await outcome(replay, *offered[index]) == told


async def outcome(
    store: EventStore, events: list[NewEvent], guards: list[AppendCondition]
) -> int | str:
    try:
        return await store.append(events, *guards)
    except AIGestionError as error:
        return error.code


def events_of(batch: list) -> list[NewEvent]:
    return [new_event(type_, *given_tags, tenant=tenant) for type_, given_tags, tenant in batch]


class Laboratory:
    """One database and one store for many scenarios; the log is emptied between them, by force."""

    def __init__(self, runner: asyncio.Runner, admin_url: str) -> None:
        self._runner = runner
        self._stack = AsyncExitStack()
        self._owner, self._store = runner.run(self._open(admin_url))

    def run(self, scenario: Callable[[PostgresEventStore, list], Any], script: list) -> None:
        self._runner.run(self._on_an_empty_log(scenario, script))

    async def close(self) -> None:
        await self._stack.aclose()

    async def _open(self, admin_url: str) -> tuple[asyncpg.Connection, PostgresEventStore]:
        name = f"t_{uuid_utils.uuid4().hex}"
        url = f"{admin_url.rsplit('/', 1)[0]}/{name}"
        admin = await asyncpg.connect(admin_url)
        await admin.execute(f"CREATE DATABASE {name}")
        self._stack.push_async_callback(admin.close)
        self._stack.push_async_callback(admin.execute, f"DROP DATABASE {name} WITH (FORCE)")
        store = await self._stack.enter_async_context(postgres_event_store(await migrated(url)))
        owner = await asyncpg.connect(url)
        self._stack.push_async_callback(owner.close)
        return owner, store

    async def _on_an_empty_log(
        self, scenario: Callable[[PostgresEventStore, list], Any], script: list
    ) -> None:
        await self._owner.execute(
            "ALTER TABLE log.events DISABLE TRIGGER USER; ALTER TABLE log.tags DISABLE TRIGGER USER;"
            "TRUNCATE log.events, log.tags"
        )
        await scenario(self._store, script)
