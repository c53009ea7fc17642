"""The read cache on a real Valkey that hangs, stops and comes back: never an error, never for long."""

import asyncio

from aigestion.readcache.cached import Asked, Cached
from aigestion.readcache.valkey import ValkeyReadCache
from aigestion.valkey.breaker import TIMEOUT_SECONDS
from aigestion.valkey.client import breaker, opened_valkey
from tests.support.tasks import patience
from tests.support.valkey import StoppableValkey


def question(number: int) -> Asked:
    return Asked(tenant="demo", query="test", arguments=number, views=(("lists_v1_g1", 1),))


async def told(cached: Cached, number: int, answer: str) -> str:
    async def ask() -> str:
        return answer

    return await cached.answer(question(number), str, ask)


async def test_a_server_that_hangs_costs_one_time_out_and_no_error(
    own_valkey: StoppableValkey,
) -> None:
    async with opened_valkey(own_valkey.url) as client:
        cached = Cached(ValkeyReadCache(client, namespace="test", breaker=breaker()))
        await told(cached, 0, "kept")
        own_valkey.hang()
        loop = asyncio.get_running_loop()
        began = loop.time()
        answers = [await told(cached, number, "asked") for number in range(50)]
        took = loop.time() - began
        own_valkey.go_on()
        await _until_kept(cached)

        assert await told(cached, 0, "asked again") == "kept"

    assert answers == ["asked"] * 50
    assert TIMEOUT_SECONDS <= took < 25 * TIMEOUT_SECONDS  # and not fifty times


async def test_a_server_that_stopped_is_used_again_when_it_is_back(
    own_valkey: StoppableValkey,
) -> None:
    async with opened_valkey(own_valkey.url) as client:
        cached = Cached(ValkeyReadCache(client, namespace="test"))
        await told(cached, 0, "kept")
        own_valkey.stop()
        away = [await told(cached, 0, "asked") for _ in range(3)]
        own_valkey.start()
        await _until_kept(cached)

    assert away == ["asked"] * 3


async def test_a_server_without_room_is_no_error(own_valkey: StoppableValkey) -> None:
    async with opened_valkey(own_valkey.url) as client:
        await client.config_set("maxmemory", "1mb")  # less than it takes empty
        cached = Cached(ValkeyReadCache(client, namespace="test"))

        assert await told(cached, 0, "asked") == "asked"
        assert await told(cached, 0, "asked again") == "asked again"


async def test_two_namespaces_on_one_server_share_nothing(valkey_url: str) -> None:
    async with opened_valkey(valkey_url) as client:
        one = Cached(ValkeyReadCache(client, namespace="one"))
        other = Cached(ValkeyReadCache(client, namespace="other"))

        assert await told(one, 0, "of one") == "of one"
        assert await told(other, 0, "of other") == "of other"
        assert await told(one, 0, "again") == "of one"


async def _until_kept(cached: Cached) -> None:
    async with patience():
        for number in range(1_000_000, 2_000_000):
            await told(cached, number, "first")
            if await told(cached, number, "second") == "first":
                return
            await asyncio.sleep(0.02)
