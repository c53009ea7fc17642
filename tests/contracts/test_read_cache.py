"""What every read cache promises, in memory and in Valkey."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from aigestion.kernel.ids import new_id
from aigestion.readcache.memory import MemoryReadCache
from aigestion.readcache.port import ReadCache
from aigestion.readcache.valkey import ValkeyReadCache
from aigestion.valkey.client import opened_valkey

Opening = Callable[..., ReadCache]


@pytest.fixture(params=["memory", "valkey"])
async def opening(request: pytest.FixtureRequest) -> AsyncIterator[Opening]:
    if request.param == "memory":
        yield MemoryReadCache
        return
    async with opened_valkey(request.getfixturevalue("valkey_url")) as client:

        def open_in(namespace: str | None = None, **bounds: Any) -> ReadCache:
            return ValkeyReadCache(client, namespace=namespace or new_id().hex, **bounds)

        yield open_in


@pytest.fixture
def cache(opening: Opening) -> ReadCache:
    return opening()


@pytest.mark.parametrize("value", [b"", b"\0", bytes(range(256)) * 100], ids=len)
async def test_what_was_put_comes_back_to_the_byte(cache: ReadCache, value: bytes) -> None:
    await cache.put("demo:a", value)

    assert await cache.get("demo:a") == value


async def test_what_was_not_put_is_not_there(cache: ReadCache) -> None:
    await cache.put("demo:a", b"one")

    assert await cache.get("demo:b") is None
    assert await cache.get("other:a") is None
    assert await cache.get("demo:a:") is None


async def test_the_last_value_counts(cache: ReadCache) -> None:
    await cache.put("demo:a", b"one")
    await cache.put("demo:a", b"another")

    assert await cache.get("demo:a") == b"another"


async def test_what_is_too_large_is_not_kept(opening: Opening) -> None:
    cache = opening(value_bytes_max=10)

    await cache.put("fits", b"x" * 10)
    await cache.put("does not", b"x" * 11)

    assert await cache.get("fits") is not None
    assert await cache.get("does not") is None


async def test_nothing_is_kept_for_longer_than_its_time(opening: Opening) -> None:
    brief, lasting = opening(ttl_seconds=0.05), opening(ttl_seconds=60)
    for cache in (brief, lasting):
        await cache.put("demo:a", b"one")

    await asyncio.sleep(0.1)

    assert await brief.get("demo:a") is None
    assert await lasting.get("demo:a") == b"one"
