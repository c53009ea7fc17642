"""Announcements between processes: heard soon, and few however many appends there are."""

import asyncio

import asyncpg

from aigestion.eventstore.announce import CHANNEL, PAUSE_SECONDS, LogAnnouncer, hear
from tests.support.log import migrated, new_event, postgres_event_store
from tests.support.tasks import eventually, running


async def test_another_process_hears_the_head_and_not_every_append(database_url: str) -> None:
    url = await migrated(database_url)
    async with (
        asyncpg.create_pool(url, min_size=1, max_size=2) as pool,
        postgres_event_store(url) as store,
    ):
        announcer = LogAnnouncer(pool)
        store.on_append.append(announcer.wake)
        heads: list[int] = []

        async with running(announcer.run(), hear(url, heads.append)):
            await eventually(lambda: _listeners(pool))
            for _ in range(50):
                await store.append([new_event()])
            await asyncio.sleep(PAUSE_SECONDS * 5)

        assert heads[-1] == 50
        assert heads == sorted(heads)
        assert len(heads) < 50


async def test_who_listens_listens_again_after_the_connection_broke(database_url: str) -> None:
    url = await migrated(database_url)
    async with asyncpg.create_pool(url, min_size=1, max_size=2) as pool:
        heads: list[int] = []

        async with running(hear(url, heads.append)):
            await eventually(lambda: _listeners(pool))
            await pool.execute(_CUT)
            await eventually(lambda: _announced(pool, heads))

        assert set(heads) == {7}


_LISTENERS = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
_CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"


async def _listeners(pool: asyncpg.Pool) -> bool:
    return bool(await pool.fetchval(_LISTENERS))


async def _announced(pool: asyncpg.Pool, heads: list[int]) -> bool:
    await pool.execute("SELECT pg_notify($1, '7')", CHANNEL)
    return bool(heads)
