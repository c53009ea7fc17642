"""A run that somebody stops: what was said is kept, and nothing is left hanging."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from aigestion.agents import cancel_request
from aigestion.agents.definition import Limits
from aigestion.commands.dispatcher import Dispatcher
from aigestion.commands.run.cancel_run import CancelRun
from aigestion.commands.run.state import Origin
from aigestion.kernel.errors import RunHasEnded, Unavailable
from aigestion.kernel.ids import derived_id
from aigestion.llm.port import TextDelta
from aigestion.llm.scripted import ScriptedModel, fails, hangs, says
from aigestion.messaging.locks import MemoryLocks
from tests.support.tasks import eventually, patience
from tests.unit.agents.conftest import Build
from tests.unit.agents.house import ANA, CONVERSATION, House
from tests.unit.agents.test_crash import POINTS_MAX, attempt

PATIENT = Limits(context_seconds_max=0.05, call_seconds_max=60)
STOPPED = [
    "run.started", "run.context_retrieved", "model.requested", "run.cancel_requested",
    "model.failed", "run.cancelled",
]  # fmt: skip


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cancel_request, "CANCEL_POLL_SECONDS", 0.01)


async def stop(house: House, heard: int) -> None:
    """As another process would: with nothing but the log in common."""
    [event] = await house.reader.read(after=heard - 1, limit=1)
    command = CancelRun(
        run_id=derived_id(event.id, "assistant"), heard=Origin(CONVERSATION, "assistant")
    )
    await Dispatcher(house.store, house.codec).dispatch(command, ANA)


async def die_speaking(house: House, heard: int) -> None:
    """A process begins to reply, and ends before the reply does."""
    dying = asyncio.create_task(house.runner().react(heard))
    await eventually(lambda: bool(house.live.pieces))
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    house.locks = MemoryLocks()


@asynccontextmanager
async def speaking(house: House, heard: int, pieces: int) -> AsyncIterator[None]:
    """A reaction under way that has said so much; it must end by itself."""
    reaction = asyncio.create_task(house.runner().react(heard))
    await eventually(lambda: len(house.live.pieces) >= pieces)
    yield
    async with patience():
        await reaction


async def test_a_reply_is_stopped_and_what_was_said_is_kept(build: Build) -> None:
    house = build(ScriptedModel((TextDelta("Once "), *hangs(after="upon"))), PATIENT)
    heard = await house.say("Tell me a story")

    async with speaking(house, heard, 2):
        await stop(house, heard)

    assert await house.types() == STOPPED
    failed = await house.last("model.failed")
    assert (failed.reason, failed.partial_text) == ("cancelled", "Once upon")
    cancelled = await house.last("run.cancelled")
    assert (cancelled.run_id, cancelled.user_id) == (failed.run_id, "ana")


async def test_what_was_said_until_then_is_sealed(build: Build) -> None:
    house = build(ScriptedModel(hangs(after="xylophonquartz")), PATIENT)
    heard = await house.say("Tell me a story")

    async with speaking(house, heard, 1):
        await stop(house, heard)

    assert (await house.last("model.failed")).partial_text == "xylophonquartz"
    stored = await house.store.read()
    assert not any(b"xylophonquartz" in one.event.data for one in stored)


async def test_the_model_is_not_listened_to_any_more(build: Build) -> None:
    left = asyncio.Event()

    class Endless(ScriptedModel):
        async def stream(self, request):  # type: ignore[no-untyped-def]
            try:
                while True:
                    yield TextDelta("and ")
                    await asyncio.sleep(0.01)
            finally:
                left.set()

    house = build(Endless(), PATIENT)
    heard = await house.say("Go on")

    async with speaking(house, heard, 3):
        await stop(house, heard)

    assert left.is_set()
    said = (await house.last("model.failed")).partial_text
    assert said == "".join(house.live.pieces)


async def test_a_pause_between_two_attempts_is_not_waited_for(build: Build) -> None:
    house = build(ScriptedModel(fails("overloaded"), says("Too late.")), PATIENT)
    heard = await house.say("Is it?")
    pausing = asyncio.Event()

    async def pause(_: float) -> None:
        pausing.set()
        await asyncio.sleep(60)

    reaction = asyncio.create_task(house.runner(sleep=pause).react(heard))
    await pausing.wait()
    await stop(house, heard)
    async with patience():
        await reaction

    assert (await house.types())[-3:] == ["model.failed", "run.cancel_requested", "run.cancelled"]


async def test_a_run_stopped_before_it_began_asks_no_model(build: Build) -> None:
    model = ScriptedModel(says("Yes."))
    house = build(model)
    heard = await house.say("Is it?")
    await stop(house, heard)

    await house.runner().react(heard)

    assert await house.types() == ["run.cancel_requested", "run.started", "run.cancelled"]
    assert model.requests == []


async def test_a_stopped_run_whose_process_died_is_ended_by_the_next(build: Build) -> None:
    house = build(ScriptedModel(hangs(after="Half")), PATIENT)
    heard = await house.say("Tell me a story")
    await die_speaking(house, heard)
    await stop(house, heard)

    await house.runner().react(heard)
    await house.runner().react(heard)

    assert await house.types() == STOPPED
    assert (await house.last("model.failed")).partial_text is None


async def test_a_crash_at_any_point_of_the_end_is_gone_on_from(build: Build) -> None:
    crashes = 0
    for point in range(1, POINTS_MAX):
        model = ScriptedModel(hangs(after="Half"))
        house = build(model, PATIENT)
        heard = await house.say("Tell me a story")
        await die_speaking(house, heard)
        await stop(house, heard)

        crashed = await attempt(house, model, heard, point)
        if crashed:
            crashes += 1
            assert not await attempt(house, model, heard, 0)

        types = await house.types()
        assert types.count("run.cancelled") == types.count("model.failed") == 1, types
        assert len(model.requests) == 1
        if not crashed:
            break
    assert 3 < crashes < POINTS_MAX - 1


async def test_a_reply_that_was_faster_stays(build: Build) -> None:
    house = build(ScriptedModel(says("Yes.")))
    heard = await house.say("Is it?")
    await house.runner().react(heard)

    with pytest.raises(RunHasEnded):
        await stop(house, heard)
    await house.runner().react(heard)

    assert (await house.types())[-1] == "agent.replied"


async def test_a_log_that_is_away_for_a_moment_stops_nobody(build: Build) -> None:
    house = build(ScriptedModel(hangs(after="Half")), PATIENT)
    heard = await house.say("Tell me a story")
    real, failures = house.reader.read, 3

    async def read(*args, **kwargs):  # type: ignore[no-untyped-def]
        nonlocal failures
        if house.live.pieces and failures:
            failures -= 1
            raise Unavailable("away", engine="postgres")
        return await real(*args, **kwargs)

    house.reader.read = read  # type: ignore[method-assign]
    async with speaking(house, heard, 1):
        await eventually(lambda: failures == 0)
        await stop(house, heard)

    assert await house.types() == STOPPED
