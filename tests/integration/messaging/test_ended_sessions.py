"""A session that the server has ended, used before that its connection is closed was seen: nobody falls over it."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

import aigestion.eventstore.announce as announcing
import aigestion.messaging.leader as leading
from aigestion.eventstore.announce import CHANNEL, LogAnnouncer, hear
from aigestion.eventstore.pool import opened_pool
from aigestion.eventstore.postgres import PostgresEventStore
from aigestion.eventstore.pulse import LogPulse
from aigestion.kernel.errors import Unavailable
from aigestion.messaging.leader import PostgresLeadership
from aigestion.messaging.leaderships import PostgresLeaderships
from aigestion.messaging.postgres_locks import PostgresLocks
from aigestion.readstores.postgres.views import PostgresViewRegistry
from tests.support.log import migrated
from tests.support.network import without_farewell
from tests.support.tasks import eventually, patience, running

_END_ALL = """
SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


@pytest.fixture
async def url(database_url: str) -> AsyncIterator[str]:
    """The log's, by a network that never tells that a connection was closed."""
    async with without_farewell(await migrated(database_url)) as leads_there:
        yield leads_there


async def end_all_sessions(database_url: str) -> None:
    """All others, as a failover or an administrator does; their last words have arrived."""
    owner = await asyncpg.connect(database_url)
    assert await owner.fetchval(_END_ALL)
    await owner.close()
    await asyncio.sleep(0.05)


async def test_a_leader_loses_its_lead_and_nothing_else(
    url: str, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leading, "HEARTBEAT_SECONDS", 0.2)
    leadership = PostgresLeadership(url, "relay")

    async with patience(), leadership.held() as tenure:
        await end_all_sessions(database_url)
        await tenure.until_lost()
    async with patience(), leadership.held() as tenure:
        assert not tenure.lost


async def test_who_stands_by_goes_on_standing_by(url: str, database_url: str) -> None:
    led = asyncio.Event()

    async def lead() -> None:
        async with PostgresLeadership(url, "relay").held():
            led.set()
            await asyncio.Event().wait()

    async with (
        patience(),
        PostgresLeadership(database_url, "relay").held(),
        running(lead()) as [standby],
    ):
        await asyncio.sleep(0.2)
        await end_all_sessions(database_url)
        await led.wait()
        assert not standby.done()


async def test_leaderships_are_won_again(url: str, database_url: str) -> None:
    leaderships = PostgresLeaderships(url)

    async with patience(), leaderships.of("one").held() as tenure:
        await end_all_sessions(database_url)
        await tenure.until_lost()
    async with patience(), leaderships.of("one").held() as tenure:
        assert not tenure.lost


async def test_there_are_no_locks_for_a_moment(url: str, database_url: str) -> None:
    locks = PostgresLocks(url)
    async with locks.hold("run/1"):
        await end_all_sessions(database_url)  # and giving it back is no error

    async with locks.hold("run/2") as free:
        assert free
        await end_all_sessions(database_url)
        with pytest.raises(Unavailable):
            async with locks.hold("run/3"):
                pass
    async with locks.hold("run/2") as free:
        assert free
    await locks.close()


async def test_who_listens_listens_again(
    url: str, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announcing, "HEARTBEAT_SECONDS", 0.2)
    heads: list[int] = []

    async def heard() -> bool:
        owner = await asyncpg.connect(database_url)
        await owner.execute("SELECT pg_notify($1, '7')", CHANNEL)
        await owner.close()
        return bool(heads)

    async with running(hear(url, heads.append)) as [listening]:
        await eventually(heard)
        await end_all_sessions(database_url)
        heads.clear()
        await eventually(heard)
        assert not listening.done()


async def test_who_announces_goes_on(url: str, database_url: str) -> None:
    async with opened_pool(url, connections_max=1) as pool:
        announcer, heads = LogAnnouncer(pool), list[int]()

        async def announced() -> bool:
            announcer.wake(9)
            return bool(heads)

        async with running(announcer.run()) as [announcing]:
            await pool.fetchval("SELECT 1")
            await end_all_sessions(database_url)
            announcer.wake(9)
            async with running(hear(database_url, heads.append)):
                await eventually(announced)
            assert not announcing.done()


async def test_the_log_and_the_views_do_not_answer_for_a_moment(
    url: str, database_url: str
) -> None:
    async with opened_pool(url, connections_max=1) as pool:
        for ask in (PostgresEventStore(pool, url).head, PostgresViewRegistry(pool).all):
            await ask()
            await end_all_sessions(database_url)
            with pytest.raises(Unavailable):
                await ask()
            await ask()


async def test_the_pulse_misses_a_beat(url: str, database_url: str) -> None:
    pulse = LogPulse(url)
    await pulse.ask()
    await end_all_sessions(database_url)

    with pytest.raises(Unavailable):
        await pulse.ask()
    await pulse.ask()

    assert pulse.reconnects == 1
    await pulse.close()
