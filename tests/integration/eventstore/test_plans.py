"""Kept query plans: made while the log is empty or its statistics are old, they still walk indexes."""

import asyncpg

from aigestion.kernel.query import EVERYTHING, AppendCondition, Query, QueryItem, matching
from tests.support.log import migrated, new_event, postgres_event_store

QUERIES = (
    EVERYTHING,
    matching("demo/x:1"),
    matching("demo/x:1", "demo/all:1", types=("a",)),
    matching(types=("a",)),
    Query((QueryItem(tenant="demo"),)),
    Query((QueryItem(tags=("demo/x:1",), tenant="demo"), QueryItem(tags=("demo/x:2",)))),
)
SEQUENTIAL_SCANS = """
    SELECT sum(seq_scan) FROM pg_stat_user_tables WHERE relid IN ('log.events'::regclass, 'log.tags'::regclass)
"""


async def test_no_question_ever_scans_the_whole_log(database_url: str) -> None:
    url = await migrated(database_url)
    owner = await asyncpg.connect(database_url)
    before = await owner.fetchval(SEQUENTIAL_SCANS)

    async with postgres_event_store(url) as store:
        for statistics in ("", "ANALYZE log.events, log.tags"):
            for _ in range(7):  # a generic plan is considered from the sixth time on
                for query in QUERIES:
                    await store.read(query, limit=5)
                    await store.read(query, after=await store.head())
                await store.append([new_event("b")], *conditions(await store.head()))
            await owner.execute(statistics or "SELECT 1")
            await store.append([new_event("a", f"demo/x:{n}", "demo/all:1") for n in range(900)])

    assert await owner.fetchval(SEQUENTIAL_SCANS) == before
    await owner.close()


def conditions(head: int) -> list[AppendCondition]:
    return [AppendCondition(query, head) for query in QUERIES]
