"""What every store of checkpoints promises, in memory and in Postgres."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from aigestion.eventstore.memory import MemoryCheckpointStore
from aigestion.eventstore.port import CheckpointStore
from aigestion.eventstore.postgres import PostgresCheckpointStore
from tests.support.log import migrated

ROOT, OTHER = bytes(32), bytes(range(32))


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(await migrated(database_url), min_size=1, max_size=8) as pool:
        yield pool


@pytest.fixture(params=["memory", "postgres"])
def checkpoints(request: pytest.FixtureRequest) -> CheckpointStore:
    if request.param == "memory":
        return MemoryCheckpointStore()
    return PostgresCheckpointStore(request.getfixturevalue("pool"))


async def test_what_is_kept_comes_back(checkpoints: CheckpointStore) -> None:
    assert await checkpoints.last() is None
    assert await checkpoints.add(7, ROOT, OTHER, ROOT + OTHER, "¿note?\n")

    last = await checkpoints.last()

    assert last is not None
    assert (last.size, last.root, last.leaves, last.peaks, last.note) == (
        7, ROOT, OTHER, ROOT + OTHER, "¿note?\n",
    )  # fmt: skip
    assert last.made_at.tzinfo is not None


async def test_they_are_read_in_order_of_size(checkpoints: CheckpointStore) -> None:
    for size in (30, 10, 20):
        await checkpoints.add(size, ROOT, b"", b"", str(size))

    assert [one.size for one in await checkpoints.read(limit=9)] == [10, 20, 30]
    assert [one.size for one in await checkpoints.read(after=10, limit=1)] == [20]
    last = await checkpoints.last()
    assert last is not None
    assert last.size == 30


async def test_the_first_of_a_size_stays(checkpoints: CheckpointStore) -> None:
    added = await asyncio.gather(
        *(checkpoints.add(5, root, b"", b"", "") for root in (ROOT, OTHER) * 4)
    )

    assert sorted(added) == [False] * 7 + [True]
    assert [one.size for one in await checkpoints.read(limit=9)] == [5]
