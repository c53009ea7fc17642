"""Answers from a cache are never stale, never shared, and never an error."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import msgspec
import pytest

from aigestion.kernel.errors import Unavailable
from aigestion.readcache.cached import Asked, Cached
from aigestion.readcache.memory import MemoryReadCache

USAGE = Asked(
    tenant="demo",
    query="usage",
    arguments={"start": datetime(2026, 1, 1, tzinfo=UTC), "by": "day"},
    views=(("activity_v1_g1", 41), ("model_calls_v1_g1", 40)),
)


class Point(msgspec.Struct, frozen=True):
    """An answer of the tests."""

    name: str
    start: datetime
    id: UUID | None = None
    score: float = 0.1 + 0.2


class Entries(MemoryReadCache):
    """A cache whose entries a test may spoil."""

    def spoil(self, change: Callable[[bytes], bytes]) -> None:
        for key, (value, expires) in self._entries.items():
            self._entries[key] = change(value), expires

    def swap(self) -> None:
        first, second = self._entries
        entries = self._entries
        entries[first], entries[second] = entries[second], entries[first]


@pytest.fixture
def entries() -> Entries:
    return Entries()


@pytest.fixture
def cached(entries: Entries) -> Cached:
    return Cached(entries)


def saying(name: str) -> Callable[[], Awaitable[Point]]:
    async def ask() -> Point:
        return Point(name, datetime(2026, 1, 1, tzinfo=UTC))

    return ask


async def told(cached: Cached, name: str, asked: Asked = USAGE, **options: Any) -> str:
    """The answer's name: this one if it was asked for, an earlier one if it was remembered."""
    return (await cached.answer(asked, Point, saying(name), **options)).name


async def test_the_same_question_is_asked_once(cached: Cached) -> None:
    assert [await told(cached, "first"), await told(cached, "second")] == ["first", "first"]
    assert (cached.hits, cached.misses) == (1, 1)


@pytest.mark.parametrize(
    "other",
    [
        {"tenant": "acme"},
        {"tenant": "Demo"},
        {"tenant": ""},
        {"query": "search"},
        {"arguments": {"start": datetime(2026, 1, 2, tzinfo=UTC), "by": "day"}},
        {"arguments": {"start": datetime(2026, 1, 1, tzinfo=UTC), "by": "hour"}},
        {"arguments": None},
        {"views": (("activity_v1_g1", 42), ("model_calls_v1_g1", 40))},
        {"views": (("activity_v1_g1", 41), ("model_calls_v1_g1", 41))},
        {"views": (("activity_v1_g2", 41), ("model_calls_v1_g1", 40))},
        {"views": (("activity_v2_g1", 41), ("model_calls_v1_g1", 40))},
        {"views": (("model_calls_v1_g1", 41), ("activity_v1_g1", 40))},
        {"views": ()},
    ],
)
async def test_whatever_the_answer_depends_on_makes_another_question(
    cached: Cached, other: dict[str, Any]
) -> None:
    await told(cached, "first")

    assert await told(cached, "second", msgspec.structs.replace(USAGE, **other)) == "second"
    assert await told(cached, "third") == "first"


async def test_no_arguments_of_one_tenant_look_like_another_tenant(cached: Cached) -> None:
    for number, tenant in enumerate(["a", "a:b", "a%3Ab", "a/b", 'a","query":"usage', "å"]):
        asked = msgspec.structs.replace(USAGE, tenant=tenant)

        assert await told(cached, str(number), asked) == str(number)
        assert asked.key.count(":") == 1


async def test_the_order_of_arguments_says_nothing(cached: Cached) -> None:
    turned = dict(reversed(list(USAGE.arguments.items())))
    await told(cached, "first")

    assert await told(cached, "second", msgspec.structs.replace(USAGE, arguments=turned)) == "first"


async def test_what_may_change_under_its_position_is_neither_kept_nor_shown(
    cached: Cached,
) -> None:
    await told(cached, "stale", cacheable=False)
    assert await told(cached, "kept") == "kept"

    assert await told(cached, "stale again", cacheable=False) == "stale again"


async def test_without_a_cache_everything_is_asked() -> None:
    cached = Cached()

    assert [await told(cached, "first"), await told(cached, "second")] == ["first", "second"]


async def test_an_error_is_the_askers_and_is_not_kept(cached: Cached) -> None:
    async def failing() -> Point:
        raise Unavailable("No.", engine="clickhouse")

    with pytest.raises(Unavailable):
        await cached.answer(USAGE, Point, failing)

    assert await told(cached, "first") == "first"


@pytest.mark.parametrize(
    "change",
    [
        lambda value: b"",
        lambda value: value[:-1],
        lambda value: value + b" ",
        lambda value: value[:10],
        lambda value: bytes([value[0] ^ 1]) + value[1:],
        lambda value: value.replace(b"first", b"fIrst"),
        lambda value: value[16:],
        lambda value: b"null",
    ],
)
async def test_a_spoilt_value_is_a_miss_and_is_replaced(
    entries: Entries, cached: Cached, change: Callable[[bytes], bytes]
) -> None:
    await told(cached, "first")
    entries.spoil(change)

    assert await told(cached, "second") == "second"
    assert await told(cached, "third") == "second"


async def test_a_whole_value_under_the_wrong_key_is_a_miss(
    entries: Entries, cached: Cached
) -> None:
    acme = msgspec.structs.replace(USAGE, tenant="acme")
    await told(cached, "ours")
    await told(cached, "theirs", acme)
    entries.swap()

    assert await told(cached, "ours again") == "ours again"
    assert await told(cached, "theirs again", acme) == "theirs again"


async def test_an_answer_of_another_shape_is_a_miss(cached: Cached) -> None:
    async def old() -> dict[str, str]:
        return {"title": "of an older program"}

    await cached.answer(USAGE, dict[str, str], old)

    assert await told(cached, "new") == "new"


async def test_an_answer_comes_back_as_it_was(cached: Cached) -> None:
    zone = timezone(timedelta(hours=5, minutes=45))
    point = Point("π", datetime(2026, 1, 1, 0, 0, 0, 123456, zone), UUID(int=7), 1e-300)

    async def ask() -> list[Point]:
        return [point]

    first = await cached.answer(USAGE, list[Point], ask)
    second = await cached.answer(USAGE, list[Point], ask)

    assert cached.hits == 1
    assert msgspec.json.encode(first) == msgspec.json.encode(second)
    assert second == [point]
