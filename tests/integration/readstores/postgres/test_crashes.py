"""Pulling the plug on PostgreSQL: what a view was seen to reflect, it reflects after as well."""

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from aigestion.embedded.datadir import DataDir
from aigestion.embedded.postgres import RUNTIME_ROLE, EmbeddedPostgres
from aigestion.eventstore.migrate import migrate
from aigestion.eventstore.pool import opened_pool
from aigestion.readstores.port import Put, View
from aigestion.readstores.postgres.store import PostgresReadStore
from tests.support.embedded_postgres import is_back, pid_of, running
from tests.support.processes import family_of, kill_9
from tests.support.tasks import eventually

VIEW = View("directory", 1, 1)
BATCHES = 20


@pytest.fixture
async def postgres(tmp_path: Path) -> AsyncIterator[EmbeddedPostgres]:
    data_dir = DataDir(tmp_path / ".aigestion")
    with data_dir.locked():
        async with running(data_dir) as server:
            await migrate(server.owner_url, RUNTIME_ROLE, server.runtime_password)
            yield server


def kill(postgres: EmbeddedPostgres) -> None:
    """The server's children first: whoever writes its log to disk has no time to tidy up."""
    for pid in reversed(family_of(pid_of(postgres))):
        kill_9(pid)


def tenant(name: str) -> Put:
    return Put("tenants", name, {"tenant": name})


async def fill(pool: asyncpg.Pool, *, visible: bool) -> int:
    """A writer's life up to the moment in which somebody else reads its last checkpoint."""
    writer = PostgresReadStore(pool)
    await writer.prepare(VIEW)
    for position in range(1, BATCHES + 1):
        await writer.apply(VIEW, [tenant(f"t{position}")], position, visible=visible)
    return await PostgresReadStore(pool).checkpoint(VIEW) or 0


async def found(pool: asyncpg.Pool) -> tuple[int | None, set[str]]:
    store = PostgresReadStore(pool)
    return await store.checkpoint(VIEW), {row.key async for row in store.rows(VIEW)}


@pytest.mark.parametrize("visible", [True, False])
async def test_a_position_that_was_read_is_kept_with_its_rows(
    postgres: EmbeddedPostgres, visible: bool
) -> None:
    """Answers name the position that was read last: a view that goes back would show less than they say."""
    async with opened_pool(postgres.runtime_url, connections_max=2) as pool:
        read = await fill(pool, visible=visible)
        kill(postgres)
    assert read == BATCHES
    await eventually(lambda: is_back(postgres, 1))

    async with opened_pool(postgres.runtime_url, connections_max=2) as pool:
        assert await found(pool) == (BATCHES, {f"t{n}" for n in range(1, BATCHES + 1)})


async def test_what_was_put_in_later_is_kept(postgres: EmbeddedPostgres) -> None:
    """What was in quarantine is no longer told to be missing once it is in the view."""
    async with opened_pool(postgres.runtime_url, connections_max=2) as pool:
        await fill(pool, visible=True)
        await PostgresReadStore(pool).amend(VIEW, [tenant("late")], 1)
        kill(postgres)
    await eventually(lambda: is_back(postgres, 1))

    async with opened_pool(postgres.runtime_url, connections_max=2) as pool:
        assert "late" in (await found(pool))[1]
