"""What every register of views promises, in memory and in PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from aigestion.kernel.errors import NotFound
from aigestion.projections.views import MemoryViewRegistry, ViewRegistry
from aigestion.readstores.port import View
from aigestion.readstores.postgres.views import PostgresViewRegistry
from tests.support.postgres_views import runtime_pool


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[asyncpg.Pool]:
    async with runtime_pool(database_url) as pool:
        yield pool


@pytest.fixture(params=["memory", "postgres"])
def registry(request: pytest.FixtureRequest) -> ViewRegistry:
    if request.param == "memory":
        return MemoryViewRegistry()
    return PostgresViewRegistry(request.getfixturevalue("pool"))


async def test_nothing_serves_before_a_view_is_activated(registry: ViewRegistry) -> None:
    view = await registry.create("runs", 1)

    assert await registry.active("runs") is None
    assert await registry.all() == [(view, "building")]


async def test_activating_a_view_retires_the_former(registry: ViewRegistry) -> None:
    first, second = await registry.create("runs", 1), await registry.create("runs", 2)
    other = await registry.create("conversations", 1)
    await registry.activate(other)

    await registry.activate(first)
    await registry.activate(second)
    await registry.activate(second)

    assert await registry.active("runs") == second
    assert await registry.active("conversations") == other
    assert await registry.all() == [(other, "active"), (first, "retired"), (second, "active")]


async def test_a_retired_view_can_serve_again(registry: ViewRegistry) -> None:
    first, second = await registry.create("runs", 1), await registry.create("runs", 1)
    await registry.activate(first)
    await registry.activate(second)

    await registry.activate(first)

    assert await registry.active("runs") == first


async def test_an_unknown_view_is_not_activated_and_the_present_one_stays(
    registry: ViewRegistry,
) -> None:
    view = await registry.create("runs", 1)
    await registry.activate(view)

    with pytest.raises(NotFound):
        await registry.activate(View("runs", 1, 99))

    assert await registry.active("runs") == view


async def test_no_generation_is_used_twice(registry: ViewRegistry) -> None:
    first = await registry.create("runs", 1)
    await registry.forget(first)
    await registry.forget(first)

    second = await registry.create("runs", 1)

    assert second.generation == first.generation + 1
    assert await registry.all() == [(second, "building")]
    with pytest.raises(NotFound):
        await registry.activate(first)


async def test_views_created_at_once_are_different(registry: ViewRegistry) -> None:
    views = await asyncio.gather(*(registry.create("runs", 1) for _ in range(10)))

    assert {view.generation for view in views} == set(range(1, 11))


async def test_switching_at_once_leaves_one_that_serves(registry: ViewRegistry) -> None:
    views = [await registry.create("runs", 1) for _ in range(5)]

    await asyncio.gather(*(registry.activate(view) for view in views))

    states = [state for _, state in await registry.all()]
    assert sorted(states) == ["active", *["retired"] * 4]


async def test_a_version_that_was_rolled_back_is_remembered(registry: ViewRegistry) -> None:
    first, second = await registry.create("runs", 1), await registry.create("runs", 2)
    await registry.activate(first)
    await registry.activate(second)
    assert await registry.rolled_back("runs") == 0

    await registry.roll_back(first)
    await registry.roll_back(first)

    assert await registry.active("runs") == first
    assert await registry.all() == [(first, "active"), (second, "retired")]
    assert await registry.rolled_back("runs") == 2
    assert await registry.rolled_back("conversations") == 0


async def test_a_rolled_back_version_stays_so_when_its_views_are_gone(
    registry: ViewRegistry,
) -> None:
    first, second = await registry.create("runs", 1), await registry.create("runs", 2)
    await registry.activate(first)
    await registry.activate(second)
    await registry.roll_back(first)

    await registry.forget(second)
    await registry.activate(await registry.create("runs", 1))

    assert await registry.rolled_back("runs") == 2


async def test_activating_the_version_or_a_later_one_makes_up_for_the_roll_back(
    registry: ViewRegistry,
) -> None:
    first, second = await registry.create("runs", 1), await registry.create("runs", 2)
    await registry.activate(second)
    await registry.roll_back(first)

    await registry.activate(second)

    assert await registry.rolled_back("runs") == 0
    await registry.roll_back(first)
    await registry.activate(await registry.create("runs", 3))
    assert await registry.rolled_back("runs") == 0


async def test_going_back_to_an_unknown_view_changes_nothing(registry: ViewRegistry) -> None:
    view = await registry.create("runs", 1)
    await registry.activate(view)

    with pytest.raises(NotFound):
        await registry.roll_back(View("runs", 1, 99))

    assert await registry.active("runs") == view
    assert await registry.rolled_back("runs") == 0


async def test_a_register_made_by_an_earlier_program_is_understood(pool: asyncpg.Pool) -> None:
    earlier = PostgresViewRegistry(pool)
    view = await earlier.create("runs", 1)
    await pool.execute("ALTER TABLE views.views DROP COLUMN rolled_back")

    registry = PostgresViewRegistry(pool)

    assert await registry.all() == [(view, "building")]
    assert await registry.rolled_back("runs") == 0
