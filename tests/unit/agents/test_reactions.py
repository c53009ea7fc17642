"""Reactions in one process: bounded, each event once, ended in good order."""

import asyncio

import pytest

from aigestion.agents import reactions as module
from aigestion.agents.reactions import Reactions


class Work:
    """Reactions that last until they are let go; knows how many go on at once."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.ended: list[int] = []
        self.let_go = asyncio.Event()

    async def react(self, position: int) -> None:
        self.begun.append(position)
        await self.let_go.wait()
        self.ended.append(position)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_an_event_that_comes_twice_has_one_reaction() -> None:
    work = Work()
    reactions = Reactions(work.react)

    first, second = reactions.begin(7), reactions.begin(7)
    work.let_go.set()

    assert first is second is not None
    assert await first
    assert work.begun == [7]


async def test_only_so_many_go_on_at_once() -> None:
    work = Work()
    reactions = Reactions(work.react, in_parallel_max=2)
    for position in range(1, 6):
        reactions.begin(position)

    await settle()
    assert work.begun == [1, 2]
    work.let_go.set()
    await reactions.drain(1)

    assert work.ended == [1, 2]


async def test_draining_lets_reactions_end_and_begins_none() -> None:
    work = Work()
    reactions = Reactions(work.react)
    going_on = reactions.begin(1)
    await settle()
    draining = asyncio.create_task(reactions.drain(1))
    await settle()

    assert reactions.begin(2) is None
    work.let_go.set()
    await draining

    assert going_on is not None
    assert going_on.result() is True
    assert work.ended == [1]


async def test_draining_cuts_what_does_not_end_in_time() -> None:
    work = Work()
    reactions = Reactions(work.react)
    going_on = reactions.begin(1)
    await settle()

    await reactions.drain(0.01)

    assert going_on is not None
    assert going_on.cancelled()


async def test_a_reaction_that_raised_is_begun_anew_only_after_a_pause(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS_MIN", 0.3)
    tries: list[int] = []

    async def react(position: int) -> None:
        tries.append(position)
        if len(tries) == 1:
            raise RuntimeError("not now")

    reactions = Reactions(react)
    first = reactions.begin(1)
    assert first is not None
    assert await first is False
    assert reactions.begin(1) is None

    await asyncio.sleep(0.31)
    second = reactions.begin(1)

    assert second is not None
    assert await second is True
    assert tries == [1, 1]


async def test_too_many_waiting_are_left_to_be_brought_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "REACTIONS_WAITING_MAX", 3)
    work = Work()
    reactions = Reactions(work.react, in_parallel_max=1)

    begun = [reactions.begin(position) for position in range(5)]
    work.let_go.set()

    assert [one is not None for one in begun] == [True, True, True, False, False]
    await asyncio.gather(*(one for one in begun if one is not None))
