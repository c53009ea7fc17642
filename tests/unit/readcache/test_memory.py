"""The read cache in this process is bounded in bytes, and forgets what nobody asks for."""

from aigestion.readcache.memory import ENTRY_BYTES, MemoryReadCache


async def test_what_was_not_asked_for_longest_goes_first() -> None:
    cache = MemoryReadCache(bytes_max=3 * (ENTRY_BYTES + 11))
    for key in "abc":
        await cache.put(key, b"x" * 10)
    await cache.get("a")

    await cache.put("d", b"x" * 10)

    assert [key for key in "abcd" if await cache.get(key)] == ["a", "c", "d"]


async def test_it_never_takes_more_than_it_may() -> None:
    cache = MemoryReadCache(bytes_max=10_000, value_bytes_max=9_000)
    for number in range(500):
        await cache.put(str(number % 70), b"x" * (number * 37 % 3_000))

        assert 0 < cache.bytes <= 10_000


async def test_a_value_that_would_push_out_everything_is_not_kept() -> None:
    cache = MemoryReadCache(bytes_max=1_000, value_bytes_max=5_000)
    await cache.put("a", b"one")

    await cache.put("b", b"x" * 1_001)

    assert await cache.get("a") == b"one"


async def test_what_has_gone_takes_nothing() -> None:
    now = [0.0]
    cache = MemoryReadCache(ttl_seconds=10, clock=lambda: now[0])
    await cache.put("a", b"one")
    await cache.put("a", b"two")
    now[0] = 10.0

    assert await cache.get("a") is None
    assert cache.bytes == 0
