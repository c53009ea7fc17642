"""The appender when things go wrong: every caller is told the truth, and nothing is appended twice."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from aigestion.eventstore import append_connection, appender
from aigestion.eventstore.appender import Appender
from aigestion.eventstore.port import NewEvent
from aigestion.kernel.errors import AppendConditionFailed, InvalidInput, Unavailable
from aigestion.kernel.query import AppendCondition, matching
from tests.support.log import migrated, new_event, postgres_event_store
from tests.support.network import network_to
from tests.support.tasks import WAIT_SECONDS_MAX, eventually, patience


@asynccontextmanager
async def running(url: str) -> AsyncIterator[Appender]:
    one = Appender(url)
    await one.start()
    yield one
    await one.close()


@pytest.fixture
async def owner(database_url: str) -> AsyncIterator["asyncpg.Connection[Any]"]:
    await migrated(database_url)
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def positions(owner: "asyncpg.Connection[Any]", events: list[NewEvent]) -> list[int]:
    rows = await owner.fetch(
        "SELECT position FROM log.events WHERE id = ANY($1) ORDER BY 1", [e.id for e in events]
    )
    return [row["position"] for row in rows]


@asynccontextmanager
async def turn_taken(database_url: str) -> AsyncIterator[None]:
    """Somebody else is appending inside the block."""
    other = await asyncpg.connect(database_url)
    transaction = other.transaction()
    await transaction.start()
    await other.execute("SELECT FROM log.turn FOR UPDATE")
    yield
    await transaction.rollback()
    await other.close()


async def waiting_backends(owner: "asyncpg.Connection[Any]") -> set[int]:
    """Process ids of the appender's backends that wait for their turn."""
    rows = await owner.fetch(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name = 'aigestion appender' AND wait_event_type = 'Lock'"
    )
    return {row["pid"] for row in rows}


async def test_an_append_whose_reply_is_lost_is_answered_with_its_position(
    database_url: str, owner: "asyncpg.Connection[Any]"
) -> None:
    async with network_to(await migrated(database_url)) as (proxy, url), running(url) as log:
        await log.append([new_event()])
        event = new_event()

        proxy.replies.clear()
        appending = asyncio.create_task(log.append([event]))
        await eventually(lambda: positions(owner, [event]))
        proxy.cut()

        assert await appending == 2
        assert await positions(owner, [event]) == [2]


async def test_an_append_that_never_arrived_is_sent_again_once(
    database_url: str, owner: "asyncpg.Connection[Any]"
) -> None:
    async with network_to(await migrated(database_url)) as (proxy, url), running(url) as log:
        events = [new_event() for _ in range(20)]

        proxy.requests.clear()
        appending = asyncio.gather(*(log.append([event]) for event in events))
        await asyncio.sleep(0.05)
        proxy.cut()

        assert sorted(await appending) == list(range(1, 21))
        assert await positions(owner, events) == list(range(1, 21))


async def test_a_connection_that_a_network_forgot_is_noticed_before_anything_is_sent(
    database_url: str, owner: "asyncpg.Connection[Any]", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(append_connection, "QUIET_SECONDS_MAX", 0.0)
    monkeypatch.setattr(append_connection, "PROBE_SECONDS_MAX", 0.3)
    monkeypatch.setattr(append_connection, "REPLY_TIMEOUT_SECONDS", 3600.0)
    async with network_to(await migrated(database_url)) as (proxy, url), running(url) as log:
        await log.append([new_event()])
        event = new_event()
        proxy.forget()

        async with patience():
            assert await log.append([event]) == 2
        assert await positions(owner, [event]) == [2]


async def test_a_backend_that_outlives_the_network_cannot_commit_behind_our_back(
    database_url: str, owner: "asyncpg.Connection[Any]", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(append_connection._SESSION, "lock_timeout", "30000")
    monkeypatch.setitem(append_connection._SESSION, "statement_timeout", "30000")
    once = AppendCondition(matching("demo/x:1"))
    async with network_to(await migrated(database_url)) as (proxy, url), running(url) as log:
        event = new_event("a", "demo/x:1")
        async with turn_taken(database_url):
            appending = asyncio.create_task(log.append([event], [once]))
            await eventually(lambda: waiting_backends(owner))
            former = await waiting_backends(owner)

            proxy.cut()

            async def another_waits() -> bool:
                return bool(await waiting_backends(owner) - former)

            await eventually(another_waits)

        assert await appending == 1
        assert await positions(owner, [event]) == [1]


async def test_an_ended_backend_costs_nobody_an_answer(
    database_url: str, owner: "asyncpg.Connection[Any]"
) -> None:
    async with running(await migrated(database_url)) as log:
        events = [new_event() for _ in range(300)]

        async def killer() -> None:
            for _ in range(5):
                await asyncio.sleep(0.01)
                await owner.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE application_name = 'aigestion appender' AND datname = current_database()"
                )

        async def caller(mine: list[NewEvent]) -> list[int | BaseException]:
            return [
                (await asyncio.gather(log.append([event]), return_exceptions=True))[0]
                for event in mine
            ]

        answers, _ = await asyncio.gather(
            asyncio.gather(*(caller(events[n::10]) for n in range(10))), killer()
        )

        given = [one for many in answers for one in many]
        recorded = [one for one in given if isinstance(one, int)]
        assert all(isinstance(one, int | Unavailable) for one in given)
        assert (
            sorted(recorded) == await positions(owner, events) == list(range(1, len(recorded) + 1))
        )


async def test_a_database_that_stays_away_is_told_after_patience_and_then_at_once(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(appender, "OUTAGE_PATIENCE_SECONDS", 0.3)
    async with network_to(await migrated(database_url)) as (proxy, url), running(url) as log:
        proxy.refusing = True
        proxy.cut()

        started = time.monotonic()
        with pytest.raises(Unavailable) as unknown:
            await log.append([new_event()])
        waited = time.monotonic() - started
        with pytest.raises(Unavailable, match="nothing was recorded"):
            await log.append([new_event()])

        assert 0.3 <= waited < 3
        assert "unknown" in unknown.value.message
        assert unknown.value.details == {"engine": "postgres", "retry_after_seconds": 1}
        proxy.refusing = False

        async def back() -> bool:
            try:
                return await log.append([new_event()]) == 1
            except Unavailable:
                return False

        await eventually(back)


async def test_closing_during_an_outage_ends(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(appender, "OUTAGE_PATIENCE_SECONDS", 0.2)
    async with network_to(await migrated(database_url)) as (proxy, url):
        log = Appender(url)
        await log.start()
        proxy.refusing = True
        proxy.cut()
        appending = asyncio.ensure_future(log.append([new_event()]))
        await asyncio.sleep(0)

        await asyncio.wait_for(log.close(), WAIT_SECONDS_MAX)

        with pytest.raises(Unavailable):
            await appending


async def test_a_turn_that_never_comes_is_told_and_records_nothing(
    database_url: str, owner: "asyncpg.Connection[Any]", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(append_connection._SESSION, "lock_timeout", "150")
    async with running(await migrated(database_url)) as log:
        async with turn_taken(database_url):
            with pytest.raises(Unavailable, match="nothing was recorded"):
                await log.append([new_event()])

        assert await log.append([new_event()]) == 1


async def test_more_waiting_than_allowed_is_refused_at_once(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(appender, "QUEUED_REQUESTS_MAX", 10)
    async with running(await migrated(database_url)) as log, turn_taken(database_url):
        waiting = [asyncio.ensure_future(log.append([new_event()])) for _ in range(60)]
        await asyncio.sleep(0.05)

        refused = [one for one in waiting if one.done()]

        assert 30 <= len(refused) <= 50
        assert all(isinstance(one.exception(), Unavailable) for one in refused)
    assert all(isinstance(one, int) for one in await asyncio.gather(*set(waiting) - set(refused)))


async def test_closing_commits_what_waits_and_takes_nothing_new(
    database_url: str, owner: "asyncpg.Connection[Any]"
) -> None:
    log = Appender(await migrated(database_url))
    await log.start()
    events = [new_event() for _ in range(500)]
    appending = [asyncio.ensure_future(log.append([event])) for event in events]
    await asyncio.sleep(0)

    await log.close()

    assert sorted(one.result() for one in appending) == await positions(owner, events)
    with pytest.raises(Unavailable):
        await log.append([new_event()])


async def test_a_request_postgres_refuses_costs_only_its_own_caller(database_url: str) -> None:
    async with running(await migrated(database_url)) as log:
        bad = new_event(causation_id="no uuid")  # past the store's checks, refused by the driver

        answers = await asyncio.gather(
            *(log.append([one]) for one in (new_event(), bad, new_event(), new_event())),
            return_exceptions=True,
        )

        assert isinstance(answers[1], InvalidInput)
        assert sorted(one for one in answers if isinstance(one, int)) == [1, 2, 3]


async def test_a_full_disk_is_said_and_nothing_is_recorded(
    database_url: str, owner: "asyncpg.Connection[Any]"
) -> None:
    await owner.execute(_FULL)
    event = new_event()
    async with running(await migrated(database_url)) as log:
        with pytest.raises(Unavailable, match="its disk is full; nothing was recorded"):
            await log.append([event])
        assert await positions(owner, [event]) == []

        await owner.execute("DROP TRIGGER full_disk ON log.events")
        assert await log.append([event]) == 1


_FULL = """
CREATE FUNCTION pg_temp_full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION 'could not extend file "base/5/1"' USING ERRCODE = 'disk_full';
END $$;
CREATE TRIGGER full_disk BEFORE INSERT ON log.events EXECUTE FUNCTION pg_temp_full();
"""


async def test_a_callers_cancellation_while_its_group_commits_breaks_nobody(
    database_url: str, owner: "asyncpg.Connection[Any]"
) -> None:
    async with running(await migrated(database_url)) as log:
        async with turn_taken(database_url):
            events = [new_event() for _ in range(6)]
            appending = [asyncio.ensure_future(log.append([event])) for event in events]
            await eventually(lambda: waiting_backends(owner))
            appending[0].cancel()
            appending[5].cancel()

        answers = await asyncio.gather(*appending, return_exceptions=True)

        assert [type(one) for one in answers[1:5]] == [int] * 4
        assert isinstance(answers[0], asyncio.CancelledError)
        assert await log.append([new_event()]) == len(await positions(owner, events)) + 1


async def test_a_listener_that_fails_does_not_stop_the_log(database_url: str) -> None:
    async with postgres_event_store(await migrated(database_url)) as store:
        heads: list[int] = []
        store.on_append += [lambda _: 1 / 0, heads.append]

        await store.append([new_event()])
        await store.append([new_event()])

        assert heads == [1, 2]


async def test_two_processes_share_one_dense_log_and_one_boundary(database_url: str) -> None:
    url = await migrated(database_url)
    once = AppendCondition(matching("demo/email:ana"))
    async with running(url) as here, running(url) as there:
        racing = await asyncio.gather(
            *(one.append([new_event("a", "demo/email:ana")], [once]) for one in [here, there] * 20),
            return_exceptions=True,
        )
        plain = await asyncio.gather(
            *(one.append([new_event()] * 1) for one in [here, there] * 200)
        )

    assert sum(isinstance(one, int) for one in racing) == 1
    assert sum(isinstance(one, AppendConditionFailed) for one in racing) == 39
    assert sorted(plain) == list(range(2, 402))


async def test_a_lone_request_goes_at_once_and_a_crowd_in_few_groups(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    send = append_connection.AppendConnection.send

    async def counted(self: Any, group: Any) -> Any:
        sizes.append(len(group.requests))
        return await send(self, group)

    monkeypatch.setattr(append_connection.AppendConnection, "send", counted)
    async with running(await migrated(database_url)) as log:
        await log.append([new_event()])
        await asyncio.gather(*(log.append([new_event()]) for _ in range(100)))

    assert sizes[0] == 1
    assert sum(sizes) == 101
    assert len(sizes) <= 9
