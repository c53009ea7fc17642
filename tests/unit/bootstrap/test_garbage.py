"""What a process leaves behind is collected in time, however little of it there is."""

import asyncio
import gc
import weakref

import pytest

from aigestion.bootstrap import garbage
from tests.support.tasks import eventually, running


class Cycle:
    """Never freed by counting."""

    def __init__(self) -> None:
        self.itself = self


async def test_a_little_garbage_is_collected_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(garbage, "COLLECTED_SECONDS", 0.01)
    gc.disable()
    try:
        left = weakref.ref(Cycle())
        await asyncio.sleep(0)
        assert left() is not None, "counting is enough, and nothing is shown"
        async with running(garbage.collect_garbage()):
            await eventually(lambda: left() is None)
    finally:
        gc.enable()


async def test_what_ends_after_a_long_life_is_collected_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(garbage, "COLLECTED_SECONDS", 0.01)
    gc.disable()
    try:
        old = Cycle()
        gc.collect()  # it has outlived both young generations
        left = weakref.ref(old)
        del old
        gc.collect(garbage.YOUNG_GENERATIONS)
        assert left() is not None, "looking at the young is enough, and nothing is shown"
        async with running(garbage.collect_garbage()):
            await eventually(lambda: left() is None)
    finally:
        gc.enable()
