"""What is promised of results kept by their `Idempotency-Key`, in memory and in PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from aigestion.api.projection_door import FinishedWork
from aigestion.kernel.context import Request
from aigestion.kernel.errors import IdempotencyKeyReused
from aigestion.readstores.postgres.finished_work import KEPT_DAYS, PostgresFinishedWork
from tests.support.api_fakes import FakeFinishedWork
from tests.support.postgres_views import runtime_pool

ONE, OTHER = Request("one", b"rebuild"), Request("other", b"rebuild")


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[asyncpg.Pool]:
    async with runtime_pool(database_url) as pool:
        yield pool


@pytest.fixture(params=["memory", "postgres"])
def finished(request: pytest.FixtureRequest) -> FinishedWork:
    if request.param == "memory":
        return FakeFinishedWork()
    return PostgresFinishedWork(request.getfixturevalue("pool"))


async def test_the_first_result_stays(finished: FinishedWork) -> None:
    assert await finished.find(ONE) is None

    await finished.keep(ONE, b"first\n")
    await finished.keep(ONE, b"second\n")

    assert await finished.find(ONE) == b"first\n"
    assert await finished.find(OTHER) is None


async def test_a_key_stands_for_one_request(finished: FinishedWork) -> None:
    await finished.keep(ONE, b"first\n")

    with pytest.raises(IdempotencyKeyReused):
        await finished.find(Request("one", b"verify"))


async def test_processes_that_need_the_table_at_once_make_it_once(pool: asyncpg.Pool) -> None:
    many = [PostgresFinishedWork(pool) for _ in range(8)]

    assert await asyncio.gather(*(one.find(ONE) for one in many)) == [None] * 8


async def test_results_are_forgotten_after_some_days(pool: asyncpg.Pool) -> None:
    finished = PostgresFinishedWork(pool)
    await finished.keep(ONE, b"first\n")
    await pool.execute(
        "UPDATE views.finished_work SET finished_at = now() - $1 * interval '1 day'", KEPT_DAYS + 1
    )

    await finished.keep(OTHER, b"other\n")

    assert (await finished.find(ONE), await finished.find(OTHER)) == (None, b"other\n")
