"""Announcements between processes: heard soon, and few however many appends there are."""

import asyncio

import asyncpg

from aigestion.eventstore.announce import PAUSE_SECONDS, LogAnnouncer, hearing
from tests.support.log import migrated, new_event, postgres_event_store


async def test_another_process_hears_the_head_and_not_every_append(database_url: str) -> None:
    url = await migrated(database_url)
    async with (
        asyncpg.create_pool(url, min_size=1, max_size=2) as here,
        asyncpg.create_pool(url, min_size=1, max_size=2) as there,
        postgres_event_store(url) as store,
    ):
        announcer = LogAnnouncer(here)
        store.on_append.append(announcer.wake)
        heads: list[int] = []
        announcing = asyncio.create_task(announcer.run())

        async with hearing(there, heads.append):
            for _ in range(50):
                await store.append([new_event()])
            await asyncio.sleep(PAUSE_SECONDS * 5)

        announcing.cancel()
        assert heads[-1] == 50
        assert heads == sorted(heads)
        assert len(heads) < 50
