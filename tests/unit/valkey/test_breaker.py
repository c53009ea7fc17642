"""A breaker lets nobody wait for an engine that is away, and sees by itself when it is back."""

import asyncio
import logging
import time

import pytest

from aigestion.kernel.errors import Unavailable
from aigestion.valkey.breaker import Breaker

PAUSE_SECONDS = 0.3


class Lost(Exception):
    """What the engine's client raises."""


class Engine:
    """Answers, fails, or says nothing; counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.error: Exception | None = None
        self.silent = False

    async def __call__(self) -> str:
        self.asked += 1
        if self.silent:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error
        return "well"


async def behind_a_network(engine: Engine) -> str:
    await asyncio.sleep(0.01)
    return await engine()


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def breaker() -> Breaker:
    return Breaker("valkey", (Lost,), timeout_seconds=0.2, pause_seconds=PAUSE_SECONDS)


async def failed(breaker: Breaker, engine: Engine) -> Unavailable:
    with pytest.raises(Unavailable) as error:
        await breaker.call(engine)
    return error.value


@pytest.mark.parametrize("error", [Lost(), ConnectionResetError(), TimeoutError()])
async def test_a_failure_names_the_engine_and_the_next_calls_do_not_reach_it(
    breaker: Breaker, engine: Engine, error: Exception
) -> None:
    engine.error = error

    first = await failed(breaker, engine)
    for _ in range(10):
        await failed(breaker, engine)

    assert engine.asked == 1
    assert first.details == {"engine": "valkey", "retry_after_seconds": 1}


async def test_silence_is_a_failure_when_it_was_asked_about_once_more(
    breaker: Breaker, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    engine.silent = True

    await failed(breaker, engine)

    assert breaker.open
    assert engine.asked == 2
    assert caplog.messages == ["valkey does not answer: TimeoutError"]


async def test_a_process_that_was_held_up_itself_finds_the_engine_well(
    breaker: Breaker, engine: Engine
) -> None:
    loop = asyncio.get_running_loop()
    loop.call_soon(loop.call_soon, time.sleep, 0.3)

    assert await breaker.call(lambda: behind_a_network(engine)) == "well"

    assert not breaker.open
    assert engine.asked == 1, "the first time it was not reached"


async def test_after_a_pause_one_call_looks_again_and_the_others_are_refused_meanwhile(
    breaker: Breaker, engine: Engine
) -> None:
    engine.error = Lost()
    await failed(breaker, engine)
    await asyncio.sleep(PAUSE_SECONDS)
    engine.error, engine.silent = None, True

    looking = asyncio.create_task(breaker.call(engine))
    await asyncio.sleep(0)
    for _ in range(10):
        await failed(breaker, engine)
    with pytest.raises(Unavailable):
        await looking

    assert engine.asked == 2


async def test_an_engine_that_is_back_is_used_again(
    breaker: Breaker, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    engine.error = Lost("gone")
    with caplog.at_level(logging.WARNING):
        await failed(breaker, engine)
        await asyncio.sleep(PAUSE_SECONDS)
        await failed(breaker, engine)
        engine.error = None
        await asyncio.sleep(PAUSE_SECONDS)

        assert await breaker.call(engine) == "well"
        assert await breaker.call(engine) == "well"

    assert [record.message for record in caplog.records] == [
        "valkey does not answer: gone",
        "valkey answers again.",
    ]


async def test_a_caller_that_leaves_while_it_looks_again_leaves_the_next_one_to_look(
    breaker: Breaker, engine: Engine
) -> None:
    engine.error = Lost()
    await failed(breaker, engine)
    await asyncio.sleep(PAUSE_SECONDS)
    engine.error, engine.silent = None, True
    looking = asyncio.create_task(breaker.call(engine))
    await asyncio.sleep(0)
    looking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await looking
    engine.silent = False

    assert await breaker.call(engine) == "well"


async def test_a_fault_of_the_program_is_no_outage(breaker: Breaker, engine: Engine) -> None:
    engine.error = KeyError("x")

    with pytest.raises(KeyError):
        await breaker.call(engine)

    assert not breaker.open
