"""The rate limiter on a real Valkey: many processes, a clock set back, a server that goes and comes."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator

import pytest
from valkey.asyncio import Valkey

from aigestion.kernel.errors import Unavailable
from aigestion.kernel.ids import new_id
from aigestion.ratelimit.port import Window
from aigestion.ratelimit.valkey import ValkeyRateLimiter
from aigestion.valkey.breaker import PAUSE_SECONDS, TIMEOUT_SECONDS, Breaker
from aigestion.valkey.client import breaker, opened_valkey
from tests.support.tasks import patience
from tests.support.valkey import StoppableValkey

PROCESSES = 8
HOUR_MS = 3_600_000
WINDOW = Window("key", 5, 60.0)


@pytest.fixture
async def client(valkey_url: str) -> AsyncIterator[Valkey]:
    async with opened_valkey(valkey_url) as client:
        yield client


@pytest.fixture
def namespace() -> str:
    return f"test_{new_id().hex}"


async def test_eight_processes_on_one_key_never_get_more_than_the_limit(
    valkey_url: str, namespace: str
) -> None:
    limit, seconds = 40, 0.5
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.support.limiter_process",
            valkey_url, namespace, str(limit), str(seconds),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )
        for _ in range(PROCESSES)
    ]  # fmt: skip
    for process in processes:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
    until = str(time.monotonic() + 4 * seconds).encode()
    outputs = await asyncio.gather(*(process.communicate(until) for process in processes))

    admitted = sorted((b, a) for output, _ in outputs for b, a in json.loads(output))
    fullest = max(
        sum(before >= start and after <= start + seconds for before, after in admitted)
        for start, _ in admitted
    )
    assert fullest <= limit
    assert fullest > limit / 4
    assert len(admitted) >= 2 * limit
    assert sum(bool(json.loads(output)) for output, _ in outputs) > 1


async def test_a_clock_set_back_frees_nothing_and_blocks_nobody_for_long(
    client: Valkey, namespace: str
) -> None:
    limiter = ValkeyRateLimiter(client, namespace=namespace)
    key = f"{namespace}:limit:{{demo}}:key"
    for _ in range(4):
        await limiter.decide("demo", [WINDOW])
        await asyncio.sleep(0.002)
    entries = [int(value) for value in await client.lrange(key, 0, -1)]
    later = [value + HOUR_MS if n % 2 == 0 and value else value for n, value in enumerate(entries)]
    await client.delete(key)
    await client.rpush(key, *later)  # as it looks to a server whose clock went back by an hour

    fifth = await limiter.decide("demo", [WINDOW])
    sixth = await limiter.decide("demo", [WINDOW])

    assert (fifth.admitted, fifth.remaining) == (True, 0)
    assert not sixth.admitted
    assert sixth.retry_after_seconds <= 60.001


async def test_a_clock_set_back_by_a_little_stands_still(client: Valkey, namespace: str) -> None:
    limiter = ValkeyRateLimiter(client, namespace=namespace)
    key = f"{namespace}:limit:{{demo}}:key"
    for _ in range(2):
        await limiter.decide("demo", [WINDOW])
        await asyncio.sleep(0.002)
    newest = int(await client.lindex(key, -2)) + 30_000
    await client.lset(key, -2, newest)

    third = await limiter.decide("demo", [WINDOW])

    assert (third.admitted, third.remaining) == (True, 2)
    assert int(await client.lindex(key, -2)) == newest
    assert 60.001 < third.reset_seconds <= 90.001  # by the clock as it goes now


async def test_a_key_is_bounded_and_goes_by_itself(client: Valkey, namespace: str) -> None:
    limiter = ValkeyRateLimiter(client, namespace=namespace)
    brief = Window("key", 1_000_000, 0.05)
    key = f"{namespace}:limit:{{demo}}:key"

    longest, lives = 0, 0
    until = time.monotonic() + 0.4
    while time.monotonic() < until:
        await asyncio.gather(*(limiter.decide("demo", [brief]) for _ in range(50)))
        longest = max(longest, await client.llen(key))
        lives = max(lives, await client.pttl(key))

    assert 0 < longest <= 2 * (50 + 3)  # an entry a millisecond, and the one where counting begins
    assert 0 < lives <= 51
    await asyncio.sleep(0.1)
    assert await client.exists(key) == 0


async def test_a_server_that_lost_its_scripts_is_told_again(client: Valkey, namespace: str) -> None:
    limiter = ValkeyRateLimiter(client, namespace=namespace)
    await limiter.decide("demo", [WINDOW])
    await client.script_flush()

    decisions = await asyncio.gather(*(limiter.decide("demo", [WINDOW]) for _ in range(3)))

    assert sorted(one.remaining for one in decisions) == [1, 2, 3]


async def test_connections_the_server_closed_are_no_outage(client: Valkey, namespace: str) -> None:
    limiter = ValkeyRateLimiter(client, namespace=namespace)
    await limiter.decide("demo", [WINDOW])
    await client.client_kill_filter(_type="normal", skipme=True)

    assert (await limiter.decide("demo", [WINDOW])).remaining == 3


async def test_what_was_counted_survives_the_server(
    own_valkey: StoppableValkey, namespace: str
) -> None:
    async with opened_valkey(own_valkey.url) as client:
        limiter = ValkeyRateLimiter(client, namespace=namespace, breaker=quick())
        await limiter.decide("demo", [WINDOW], 3)
        own_valkey.stop()
        with pytest.raises(Unavailable) as refused:
            await limiter.decide("demo", [WINDOW])
        own_valkey.start()
        await until_open(limiter)

        assert (await limiter.decide("demo", [WINDOW])).remaining <= 1

    assert refused.value.details == {"engine": "valkey", "retry_after_seconds": 1}


async def test_a_server_that_hangs_costs_one_time_out_and_then_nothing(
    own_valkey: StoppableValkey, namespace: str
) -> None:
    async with opened_valkey(own_valkey.url) as client:
        limiter = ValkeyRateLimiter(client, namespace=namespace, breaker=breaker())
        await limiter.decide("demo", [WINDOW])
        own_valkey.hang()
        loop = asyncio.get_running_loop()
        began = loop.time()
        first = await asyncio.gather(
            *(limiter.decide("demo", [WINDOW]) for _ in range(500)), return_exceptions=True
        )
        waited = loop.time() - began
        began = loop.time()
        for _ in range(100):
            with pytest.raises(Unavailable):
                await limiter.decide("demo", [WINDOW])
        afterwards = loop.time() - began
        own_valkey.go_on()
        await until_open(limiter)
        assert (await limiter.decide("demo", [WINDOW], 1)).remaining < 5

    assert {type(one) for one in first} == {Unavailable}
    assert TIMEOUT_SECONDS <= waited < 10 * TIMEOUT_SECONDS
    assert afterwards < PAUSE_SECONDS  # a hundred time-outs would be 25 s


def quick() -> Breaker:
    from valkey.exceptions import ValkeyError

    return Breaker("valkey", (ValkeyError,), pause_seconds=0.05)


async def until_open(limiter: ValkeyRateLimiter) -> None:
    """Until the limiter answers again, whatever it says."""
    async with patience():
        while True:
            try:
                await limiter.decide("elsewhere", [WINDOW])
                return
            except Unavailable:
                await asyncio.sleep(0.02)
