"""Rebuilding beside everything else, in real processes on a real Postgres."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from aigestion.kernel.errors import Refused
from aigestion.messaging.leaderships import PostgresLeaderships
from aigestion.projections.conversations import conversations
from aigestion.projections.keeping import follow_read_models, keep_read_models
from aigestion.readstores.port import View
from tests.support.history import chat, started
from tests.support.log import migrated
from tests.support.run_rebuild import EVENTS_MAX, Side, side
from tests.support.tasks import WAIT_SECONDS_MAX, eventually, patience, running


@pytest.fixture
def master_key(tmp_path: Path) -> Path:
    return tmp_path / "master.key"


@pytest.fixture
async def url(database_url: str) -> str:
    return await migrated(database_url)


@pytest.fixture
async def one(url: str, master_key: Path) -> AsyncIterator[Side]:
    async with side(url, master_key) as one:
        await one.log.record(started())
        await one.log.record_chats(199)
        yield one


@asynccontextmanager
async def rebuilding(url: str, master_key: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Another process that rebuilds; it is killed with -9 in the end, if it still runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.run_rebuild", url, str(master_key),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        await process.wait()


async def reached(process: asyncio.subprocess.Process, position: int) -> None:
    """Wait until the other process has filled so much."""
    assert process.stdout is not None
    async with patience():
        while line := await process.stdout.readline():
            if int(line.split()[-1]) >= position:
                return
    raise AssertionError("the other process ended early")


async def test_a_rebuild_killed_in_the_midst_goes_on_where_it_was(
    one: Side, url: str, master_key: Path
) -> None:
    async with rebuilding(url, master_key) as process:
        await reached(process, 3 * EVENTS_MAX)
    [(half_built, state)] = await one.registry.all()
    left_at = await one.store.checkpoint(half_built)
    assert state == "building"
    assert left_at is not None
    assert 0 < left_at < 200
    filled: list[int] = []

    async def rebuild() -> bool:
        try:
            built = await one.model.rebuild(
                lambda position, _, stage: filled.append(position) if stage == "filling" else None
            )
        except Refused:
            return False  # Postgres has not noticed yet that the other one is gone
        return built.view == half_built

    await eventually(rebuild)

    assert filled[0] == left_at
    assert await one.registry.all() == [(half_built, "active")]
    assert (await one.model.verify()).equal


async def test_a_rebuild_killed_again_and_again_comes_to_its_end(
    one: Side, url: str, master_key: Path
) -> None:
    for _ in range(4):
        async with rebuilding(url, master_key) as process:
            await reached(process, 1)
            await asyncio.sleep(0.1)

    async with rebuilding(url, master_key) as process:
        await asyncio.wait_for(process.communicate(), WAIT_SECONDS_MAX)

    assert process.returncode == 0
    assert [state for _, state in await one.registry.all()] == ["active"]
    assert (await one.model.verify()).equal


async def test_only_one_process_rebuilds_and_its_lock_dies_with_it(
    one: Side, url: str, master_key: Path
) -> None:
    async with rebuilding(url, master_key) as process:
        await reached(process, EVENTS_MAX)

        with pytest.raises(Refused, match="is being rebuilt already"):
            await one.model.rebuild()

    async def free() -> bool:
        async with one.locks.hold("rebuild conversations") as free:
            return free

    await eventually(free)


async def test_what_is_recorded_meanwhile_is_there_and_nobody_sees_a_half_built_view(
    one: Side, url: str, master_key: Path
) -> None:
    keeping = keep_read_models([one.model], PostgresLeaderships(url), one.registry)
    async with running(one.subscription.run(), keeping), side(url, master_key) as front:
        await one.progress.at_least("conversations", 200, WAIT_SECONDS_MAX)
        following = follow_read_models([front.model], front.registry)
        seen: list[tuple[View, int]] = []
        async with running(following, ask(front, seen)):
            async with rebuilding(url, master_key) as process:
                await reached(process, EVENTS_MAX)
                for n in range(20):
                    await one.log.record(chat(f"meanwhile {n}"))
                await asyncio.wait_for(process.communicate(), WAIT_SECONDS_MAX)
            head = await one.log.record(chat("afterwards"))
            await eventually(
                lambda: seen[-1] == (View("conversations", conversations.version, 2), head)
            )

    assert {view.generation for view, _ in seen} == {1, 2}
    assert [position for _, position in seen] == sorted(position for _, position in seen)
    assert (await one.model.verify()).equal


async def ask(front: Side, seen: list[tuple[View, int]]) -> None:
    """Ask the way queries do; every answer must have all it says it has."""
    await front.progress.at_least("conversations", 1, WAIT_SECONDS_MAX)
    pool = front.registry._pool
    while True:
        view, position = await front.progress.at_least("conversations")
        seen.append((view, position))
        rows = await pool.fetchval(f"SELECT count(*) FROM {view.name}.messages")
        assert rows >= position - 1, f"{view.name} has {rows} messages at {position}"
        await asyncio.sleep(0.005)
