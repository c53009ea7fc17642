"""The embedded engine's shards: opened once, whoever asks and whoever stops asking."""

import asyncio
from pathlib import Path
from threading import Event

import pytest

from aigestion.readstores.port import View
from aigestion.readstores.qdrant.embedded import EmbeddedEngine
from aigestion.readstores.qdrant.shard import Shard

VIEW = View("passages", 1, 1)


async def test_a_shard_whose_opening_nobody_waits_for_any_more_is_open_for_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who followed a read model stops as soon as it leads it, in the middle of whatever it does."""
    begun, go_on, load = asyncio.Event(), Event(), Shard.load
    loop = asyncio.get_running_loop()

    def slowly(directory: Path) -> Shard:
        loop.call_soon_threadsafe(begun.set)
        assert go_on.wait(60)
        return load(directory)

    engine = EmbeddedEngine(tmp_path)
    await engine.create(VIEW, 3, ())
    monkeypatch.setattr(Shard, "load", slowly)
    following = asyncio.create_task(engine.open(VIEW, 3))
    await begun.wait()

    following.cancel()
    go_on.set()
    await asyncio.wait({following})  # and keep the task: it keeps what it was given last
    assert following.cancelled()

    opened = await engine.open(VIEW, 3)
    assert opened is not None
    assert await opened.checkpoint() == 0
    await engine.close()
