"""A process may end at any moment: before and after every await, the run goes on and ends exactly once."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from aigestion.commands.dispatcher import Dispatcher
from aigestion.llm.port import ChatModel, ChatRequest, StreamEvent
from aigestion.llm.scripted import Script, ScriptedModel, fails, says
from aigestion.messaging.locks import MemoryLocks
from tests.unit.agents.conftest import Build
from tests.unit.agents.house import LIMITS, House

POINTS_MAX = 200
SCENARIOS: dict[str, tuple[Script, ...]] = {
    "an answer": (says("They are ", "dense [1]."),),
    "a failure, then an answer": (fails("overloaded"), says("They are ", "dense [1].")),
    "an answer that breaks off": (fails("cut-off", after="They are "),),
    "a refusal": (fails("refused", retryable=False),),
}


class Crash(BaseException):
    """The end of a process: nothing catches it."""


@dataclass
class Fuse:
    """Ends the process at the n-th await point; 0: never."""

    point: int
    passed: int = 0

    def pass_by(self) -> None:
        self.passed += 1
        if self.passed == self.point:
            raise Crash


class Fused:
    """Any object whose coroutine methods may end the process before they begin and after they end."""

    def __init__(self, real: Any, fuse: Fuse) -> None:
        self._real = real
        self._fuse = fuse

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._real, name)

        async def fused(*args: Any, **kwargs: Any) -> Any:
            self._fuse.pass_by()
            result = await real(*args, **kwargs)
            self._fuse.pass_by()
            return result

        return fused


@dataclass
class FusedModel:
    """A model whose process may end before each of its events and after the last."""

    real: ScriptedModel
    fuse: Fuse

    def __post_init__(self) -> None:
        self.provider, self.model = self.real.provider, self.real.model
        self.parameters = self.real.parameters

    async def stream(self, request: ChatRequest) -> AsyncIterator[StreamEvent]:
        async for event in self.real.stream(request):
            self.fuse.pass_by()
            yield event
        self.fuse.pass_by()


async def attempt(house: House, model: ScriptedModel, heard: int, point: int) -> bool:
    """A process reacts until the fuse blows at this point; says whether it did."""
    fuse = Fuse(point)
    fused_model: ChatModel = FusedModel(model, fuse)  # type: ignore[assignment]
    house.locks = MemoryLocks()  # a dead process holds no locks
    runner = house.runner(
        dispatcher=Fused(Dispatcher(house.store, house.codec), fuse),
        reader=Fused(house.reader, fuse),
        search=Fused(house.deps.search, fuse),
        live=Fused(house.live, fuse),
        hashes=Fused(house.vault, fuse),
        blobs=Fused(house.blobs, fuse),
        model=fused_model,
    )
    try:
        await runner.react(heard)
    except Crash:
        return True
    return False


async def assert_ended_once(house: House, model: ScriptedModel) -> None:
    types = Counter(await house.types())
    assert types["agent.replied"] + types["run.failed"] == 1, types
    assert types["run.started"] == types["run.context_retrieved"] == 1, types
    assert types["agent.replied"] == types["model.completed"], types
    assert types["model.requested"] == types["model.completed"] + types["model.failed"], types
    assert types["model.requested"] <= LIMITS.attempts_max
    assert len(model.requests) <= types["model.requested"], "an unrecorded call was made"
    for one in await house.reader.read():
        if one.type == "agent.replied":
            assert one.data.text == "They are dense [1]."
            assert [citation.number for citation in one.data.citations] == [1]


@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_a_crash_at_any_point_is_gone_on_from(build: Build, scenario: str) -> None:
    crashes = 0
    for point in range(1, POINTS_MAX):
        model = ScriptedModel(*SCENARIOS[scenario])
        house = build(model)
        await house.know()
        heard = await house.say("Are positions dense?")

        crashed = await attempt(house, model, heard, point)
        if crashed:
            crashes += 1
            assert not await attempt(house, model, heard, 0)

        await assert_ended_once(house, model)
        if not crashed:
            break
    assert 20 < crashes < POINTS_MAX - 1


async def test_two_crashes_at_any_two_points_are_gone_on_from(build: Build) -> None:
    for first in range(1, POINTS_MAX):
        for second in range(1, POINTS_MAX, 2):
            model = ScriptedModel(says("They are ", "dense [1]."))
            house = build(model)
            await house.know()
            heard = await house.say("Are positions dense?")

            first_crashed = await attempt(house, model, heard, first)
            second_crashed = await attempt(house, model, heard, second)
            await attempt(house, model, heard, 0)

            await assert_ended_once(house, model)
            if not second_crashed:
                break
        if not first_crashed:
            return
    pytest.fail("a reaction has more points than this test reaches")


class Deadly(ScriptedModel):
    """Its process ends as soon as it is asked."""

    async def stream(self, request):  # type: ignore[no-untyped-def]
        raise Crash
        yield


async def test_a_call_cut_by_a_crash_is_recorded_as_unknown_and_made_again(build: Build) -> None:
    house = build(ScriptedModel(says("Yes.")))
    heard = await house.say("Is it?")
    with pytest.raises(Crash):
        await house.runner(model=Deadly()).react(heard)

    await house.runner().react(heard)

    assert (await house.types())[2:] == [
        "model.requested", "model.failed", "model.requested", "model.completed", "agent.replied",
    ]  # fmt: skip
    assert (await house.last("model.failed")).reason == "unknown"


async def test_crashes_use_up_attempts_and_the_user_is_told(build: Build) -> None:
    house = build(ScriptedModel(says("Yes.")))
    heard = await house.say("Is it?")
    for _ in range(LIMITS.attempts_max):
        with pytest.raises(Crash):
            await house.runner(model=Deadly()).react(heard)

    await house.runner().react(heard)

    assert (await house.types())[-2:] == ["model.failed", "run.failed"]
    failed = await house.last("run.failed")
    assert failed.reason == "unknown"
    assert "restart" in failed.message
