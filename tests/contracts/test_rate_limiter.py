"""What every rate limiter promises, in memory and in Valkey, against an exact oracle and a clock of ours."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from valkey.asyncio import Valkey

from aigestion.kernel.ids import new_id
from aigestion.ratelimit.memory import MemoryRateLimiter
from aigestion.ratelimit.port import Decision, RateLimiter, Window
from aigestion.ratelimit.valkey import ValkeyRateLimiter, sliding_window
from aigestion.valkey.client import opened_valkey

STORE_CLOCK = "redis.call('TIME')"
SECOND = 1_000
START_MS = 1_795_000_000_123


class Bench:
    """A limiter under test and the clock it goes by."""

    def __init__(self, limiter: RateLimiter, set_ms: Callable[[int], Awaitable[None]]) -> None:
        self.limiter = limiter
        self.now_ms = START_MS
        self._set_ms = set_ms

    async def after(self, ms: int) -> None:
        self.now_ms += ms
        await self._set_ms(self.now_ms)

    async def ask(self, *windows: Window, cost: int = 1, group: str = "demo") -> Decision:
        return await self.limiter.decide(group, windows, cost)


@pytest.fixture(params=["memory", "valkey"])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    if request.param == "memory":
        now = [START_MS]

        async def set_memory(ms: int) -> None:
            now[0] = ms

        yield Bench(MemoryRateLimiter(clock_ms=lambda: now[0]), set_memory)
        return
    async with opened_valkey(request.getfixturevalue("valkey_url")) as client:
        bench = valkey_bench(client)
        await bench.after(0)
        yield bench


def valkey_bench(client: Valkey) -> Bench:
    """The script with a clock that a test sets. Real time passes too, so its keys live a thousand times as long."""
    name = f"test_{new_id().hex}"
    clock = f"redis.call('LRANGE', '{name}:clock', 0, 1)"
    assert sliding_window().count(STORE_CLOCK) == 1
    script = sliding_window().replace(STORE_CLOCK, clock).replace("'PEXPIRE'", "'EXPIRE'")

    async def set_ms(ms: int) -> None:
        async with client.pipeline() as both:
            both.delete(f"{name}:clock")
            both.rpush(f"{name}:clock", ms // 1000, ms % 1000 * 1000 + 999)
            await both.execute()

    return Bench(ValkeyRateLimiter(client, namespace=name, script=script), set_ms)


def window(name: str = "key", limit: int = 3, seconds: float = 1.0) -> Window:
    return Window(name, limit, seconds)


async def test_as_much_as_the_limit_is_admitted_and_no_more(bench: Bench) -> None:
    decisions = [await bench.ask(window()) for _ in range(4)]

    assert [one.admitted for one in decisions] == [True, True, True, False]
    assert [one.remaining for one in decisions] == [2, 1, 0, 0]
    assert {one.limit for one in decisions} == {3}


async def test_there_is_room_again_exactly_when_it_was_said(bench: Bench) -> None:
    await bench.ask(window())
    await bench.after(400)
    for _ in range(2):
        await bench.ask(window())

    refused = await bench.ask(window())
    assert (refused.admitted, refused.retry_after_seconds) == (False, 0.601)
    await bench.after(600)
    assert not (await bench.ask(window())).admitted
    await bench.after(1)
    assert (await bench.ask(window())).admitted
    assert not (await bench.ask(window())).admitted


async def test_the_whole_limit_is_free_again_exactly_when_it_was_said(bench: Bench) -> None:
    await bench.ask(window())
    await bench.after(300)
    last = await bench.ask(window())

    assert last.reset_seconds == 1.001
    await bench.after(1_000)
    assert not (await bench.ask(window(), cost=3)).admitted
    await bench.after(1)
    assert (await bench.ask(window(), cost=3)).admitted


async def test_a_request_may_cost_more_than_one(bench: Bench) -> None:
    small = await bench.ask(window(limit=10), cost=4)
    large = await bench.ask(window(limit=10), cost=7)
    fitting = await bench.ask(window(limit=10), cost=6)

    assert (small.admitted, small.remaining) == (True, 6)
    assert (large.admitted, large.remaining) == (False, 6)
    assert (fitting.admitted, fitting.remaining) == (True, 0)


async def test_how_long_to_wait_depends_on_the_cost(bench: Bench) -> None:
    for _ in range(3):
        await bench.ask(window())
        await bench.after(100)

    waits = [(await bench.ask(window(), cost=cost)).retry_after_seconds for cost in (1, 2, 3)]

    assert waits == [0.701, 0.801, 0.901]


async def test_refused_by_one_window_nothing_is_charged_to_the_others(bench: Bench) -> None:
    key, tenant = window("key", 5), window("tenant", 2)
    for _ in range(2):
        assert (await bench.ask(key, tenant)).admitted

    refused = [await bench.ask(key, tenant) for _ in range(3)]

    assert {(one.admitted, one.window.name, one.limit) for one in refused} == {(False, "tenant", 2)}
    assert (await bench.ask(key)).remaining == 2


async def test_the_figures_are_of_the_window_with_least_left(bench: Bench) -> None:
    admitted = await bench.ask(window("key", 9), window("tenant", 3), window("route", 5))

    assert (admitted.window.name, admitted.remaining) == ("tenant", 2)


async def test_a_refusal_tells_of_the_window_that_takes_longest(bench: Bench) -> None:
    short, long = window("short", 1, 1.0), window("long", 1, 60.0)
    await bench.ask(short, long)

    refused = await bench.ask(short, long)

    assert (refused.window.name, refused.retry_after_seconds) == ("long", 60.001)


async def test_windows_of_another_name_or_group_are_others(bench: Bench) -> None:
    await bench.ask(window("a", 1))

    assert not (await bench.ask(window("a", 1))).admitted
    assert (await bench.ask(window("b", 1))).admitted
    assert (await bench.ask(window("a", 1), group="other")).admitted


@pytest.mark.parametrize("group", ["a}", "a}:", "a}:x", "{", "größe", "a b", "a\n"])
async def test_no_name_of_a_group_reaches_into_another(bench: Bench, group: str) -> None:
    await bench.ask(window("b", 1), group=group)
    assert (await bench.ask(window("x:b", 1), group="a")).admitted
    assert (await bench.ask(window("}:b", 1), group="a")).admitted

    assert not (await bench.ask(window("b", 1), group=group)).admitted
    assert (await bench.ask(window("b", 1), group="a")).admitted


async def test_a_lowered_limit_counts_what_was_admitted_before(bench: Bench) -> None:
    for _ in range(3):
        await bench.ask(window(limit=5))
        await bench.after(10)

    refused = await bench.ask(window(limit=2))

    assert (refused.admitted, refused.remaining, refused.retry_after_seconds) == (False, 0, 0.981)


@pytest.mark.parametrize(("cost", "windows"), [(0, 1), (-1, 1), (4, 1), (1, 0)])
async def test_a_cost_that_can_never_fit_is_a_fault_of_the_caller(
    bench: Bench, cost: int, windows: int
) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        await bench.ask(*[window()] * windows, cost=cost)


async def test_at_once_is_no_way_around(bench: Bench) -> None:
    decisions = await asyncio.gather(*(bench.ask(window(limit=50)) for _ in range(300)))

    assert sum(one.admitted for one in decisions) == 50


async def test_thousands_of_entries_run_out_as_few_do(bench: Bench) -> None:
    many = window(limit=100_000, seconds=10)
    for _ in range(1_500):
        await bench.ask(many)
        await bench.after(3)

    assert (await bench.ask(many)).remaining == 100_000 - 1_501
    await bench.after(5_801)
    assert (await bench.ask(many)).remaining == 100_000 - 1_501 + 101 - 1


LIMITS = (3, 7, 20)
LENGTHS_MS = (20, 50, 120)
Step = tuple[int, int, tuple[int, ...]]
STEPS = st.lists(
    st.tuples(
        st.integers(0, 40),  # ms that pass
        st.integers(1, 4),  # cost
        st.sets(st.sampled_from(range(3)), min_size=1).map(sorted).map(tuple),
    ),
    max_size=60,
)


class Oracle:
    """A plain list of what was admitted, looked through from its beginning each time."""

    def __init__(self) -> None:
        self.admitted: list[tuple[int, int, tuple[int, ...]]] = []

    def used(self, which: int, now: int) -> int:
        return sum(
            cost
            for at, cost, windows in self.admitted
            if which in windows and now - at <= LENGTHS_MS[which]
        )

    def decide(self, now: int, cost: int, windows: Sequence[int]) -> tuple[bool, int, int, int]:
        """Admitted; then of the window that is told: remaining, reset and retry in ms."""
        full = [w for w in windows if self.used(w, now) + cost > LIMITS[w]]
        if not full:
            self.admitted.append((now, cost, tuple(windows)))
        figures = [
            (
                max(0, LIMITS[w] - self.used(w, now)),
                self._until(w, now, 0),
                self._until(w, now, LIMITS[w] - cost) if w in full else 0,
            )
            for w in windows
        ]
        told = max(figures, key=lambda f: f[2]) if full else min(figures, key=lambda f: f[0])
        return (not full, *told)

    def _until(self, which: int, now: int, room_for: int) -> int:
        later = now
        while self.used(which, later) > room_for:
            later += 1
        return later - now


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(steps=STEPS)
async def test_every_decision_is_the_oracles(bench: Bench, steps: list[Step]) -> None:
    windows = [
        Window(f"{new_id().hex}/{n}", limit, length / 1000)
        for n, (limit, length) in enumerate(zip(LIMITS, LENGTHS_MS, strict=True))
    ]
    oracle = Oracle()
    for passed, asked, which in steps:
        await bench.after(passed)
        cost = min(asked, *(LIMITS[w] for w in which))

        decision = await bench.ask(*(windows[w] for w in which), cost=cost)

        assert (
            decision.admitted,
            decision.remaining,
            round(decision.reset_seconds * 1000),
            round(decision.retry_after_seconds * 1000),
        ) == oracle.decide(bench.now_ms, cost, which)
