"""Counts in this process take no more room than those in use."""

from aigestion.ratelimit.memory import MemoryRateLimiter
from aigestion.ratelimit.port import Window

SECOND_MS = 1_000


async def test_what_has_run_out_makes_room() -> None:
    now = [0]
    limiter = MemoryRateLimiter(clock_ms=lambda: now[0])
    for number in range(1_000):
        now[0] += SECOND_MS
        await limiter.decide("demo", [Window(f"key:{number}", 5, 10.0), Window("tenant", 5, 10.0)])

    assert len(limiter._logs) < 20


async def test_there_are_never_more_than_may_be_however_many_come_at_once() -> None:
    limiter = MemoryRateLimiter(clock_ms=lambda: 0, windows_max=100)
    for number in range(1_000):
        await limiter.decide("demo", [Window(f"key:{number}", 5, 10.0)])

    assert len(limiter._logs) <= 100
    assert not limiter.full("demo", Window("key:999", 5, 10.0))
    for _ in range(4):
        await limiter.decide("demo", [Window("key:999", 5, 10.0)])
    assert limiter.full("demo", Window("key:999", 5, 10.0))


async def test_looking_whether_there_is_room_charges_nothing() -> None:
    limiter = MemoryRateLimiter(clock_ms=lambda: 0)
    window = Window("key", 1, 10.0)

    assert not any(limiter.full("demo", window) for _ in range(5))
    assert (await limiter.decide("demo", [window])).admitted
    assert limiter.full("demo", window)
