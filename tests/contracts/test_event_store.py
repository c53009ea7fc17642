"""What every event store promises, in memory and in Postgres."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone

import pytest

from aigestion.eventstore.memory import MemoryEventStore
from aigestion.eventstore.offer import EVENTS_PER_APPEND_MAX, TAG_BYTES_MAX
from aigestion.eventstore.port import EventStore
from aigestion.eventstore.postgres import PostgresEventStore
from aigestion.kernel.errors import AppendConditionFailed, InvalidInput, TooLarge
from aigestion.kernel.ids import new_id
from aigestion.kernel.query import AppendCondition, Query, QueryItem, matching
from tests.support.log import migrated, new_event, postgres_event_store


@pytest.fixture
def memory_store() -> MemoryEventStore:
    return MemoryEventStore()


@pytest.fixture
async def postgres_store(database_url: str) -> AsyncIterator[PostgresEventStore]:
    async with postgres_event_store(await migrated(database_url)) as store:
        yield store


@pytest.fixture(params=["memory", "postgres"])
def store(request: pytest.FixtureRequest) -> EventStore:
    return request.getfixturevalue(f"{request.param}_store")


async def types_read(store: EventStore, query: Query, **bounds: int) -> list[str]:
    return [one.event.type for one in await store.read(query, **bounds)]


async def test_an_empty_log_has_head_zero_and_no_events(store: EventStore) -> None:
    assert await store.head() == 0
    assert await store.read() == []


async def test_what_is_read_is_what_was_appended(store: EventStore) -> None:
    event = new_event(
        "user.chat",
        "demo/user:ana",
        "demo/conversation:ñandú 日本 🦜",
        actor="agent:assistant",
        schema_version=3,
        causation_id=new_id(),
        data=bytes(range(256)) * 40,
    )

    position = await store.append([event])

    [stored] = await store.read()
    assert stored.position == position == 1
    assert stored.event == event
    assert abs(stored.recorded_at - datetime.now(UTC)) < timedelta(minutes=1)


async def test_an_event_is_found_by_its_id(store: EventStore) -> None:
    event = new_event("user.chat", "demo/user:ana")
    await store.append([new_event("a"), event])

    found = await store.find(event.id)

    assert found == (await store.read(after=1))[0]
    assert await store.find(new_id()) is None


async def test_a_moment_of_another_time_zone_is_the_same_moment(store: EventStore) -> None:
    moment = datetime(2026, 5, 1, 23, 59, 59, 999999, timezone(timedelta(hours=-3)))

    await store.append([new_event(occurred_at=moment)])

    assert (await store.read())[0].event.occurred_at == moment


async def test_events_of_one_append_get_adjacent_positions(store: EventStore) -> None:
    await store.append([new_event("a")])

    last = await store.append([new_event("b"), new_event("c"), new_event("d")])

    assert last == await store.head() == 4
    assert [(one.position, one.event.type) for one in await store.read()] == [
        (1, "a"),
        (2, "b"),
        (3, "c"),
        (4, "d"),
    ]


async def test_after_and_limit_bound_what_is_read(store: EventStore) -> None:
    await store.append([new_event(type_, "demo/x:1") for type_ in "abcde"])
    everything, one_tag = Query(), matching("demo/x:1")

    for query in (everything, one_tag):
        assert await types_read(store, query, after=2) == ["c", "d", "e"]
        assert await types_read(store, query, after=1, limit=2) == ["b", "c"]
        assert await types_read(store, query, limit=0) == []
        assert await types_read(store, query, after=5) == []


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (matching("demo/x:1"), ["a", "b"]),
        (matching("demo/x:1", "demo/y:1"), ["b"]),
        (matching("demo/y:1", "demo/x:1"), ["b"]),
        (matching("demo/x:2"), []),
        (matching(types=("a", "c")), ["a", "c"]),
        (matching("demo/x:1", types=("b",)), ["b"]),
        (matching("demo/x:1", types=("c",)), []),
        (Query((QueryItem(tenant="other"),)), ["d"]),
        (Query((QueryItem(types=("a",), tenant="other"),)), []),
        (Query((QueryItem(tags=("demo/x:1",), tenant="other"),)), []),
        (Query((QueryItem(types=("c",)), QueryItem(tags=("demo/x:1",)))), ["a", "b", "c"]),
        (Query((QueryItem(), QueryItem(tags=("demo/x:1",)))), ["a", "b", "c", "d"]),
    ],
)
async def test_a_query_finds_what_any_item_matches(
    store: EventStore, query: Query, expected: list[str]
) -> None:
    await store.append(
        [
            new_event("a", "demo/x:1"),
            new_event("b", "demo/x:1", "demo/y:1"),
            new_event("c", "demo/y:1"),
            new_event("d", "other/x:1", tenant="other"),
        ]
    )

    assert await types_read(store, query) == expected
    assert await types_read(store, query, limit=1) == expected[:1]


async def test_a_tag_given_twice_counts_once(store: EventStore) -> None:
    await store.append([new_event("a", "demo/x:1", "demo/y:1", "demo/x:1")])

    [stored] = await store.read(matching("demo/x:1"))

    assert stored.event.tags == ("demo/x:1", "demo/y:1")


async def test_an_append_is_refused_if_its_condition_is_met(store: EventStore) -> None:
    await store.append([new_event("a", "demo/x:1")])

    with pytest.raises(AppendConditionFailed):
        await store.append([new_event("b")], AppendCondition(matching("demo/x:1")))

    assert await store.head() == 1


async def test_events_up_to_after_do_not_fail_a_condition(store: EventStore) -> None:
    seen = await store.append([new_event("a", "demo/x:1")])

    last = await store.append(
        [new_event("b", "demo/x:1")], AppendCondition(matching("demo/x:1"), seen)
    )

    assert last == 2


@pytest.mark.parametrize(
    ("query", "refused"),
    [
        (Query(), True),
        (matching(types=("a",)), True),
        (matching(types=("z",)), False),
        (matching("demo/x:1", "demo/y:1"), True),
        (matching("demo/x:1", "demo/y:2"), False),
        (matching("demo/x:1", types=("z",)), False),
        (Query((QueryItem(tags=("demo/z:1",)), QueryItem(types=("a",)))), True),
        (Query((QueryItem(tenant="other"),)), False),
        (Query((QueryItem(tags=("demo/x:1",), tenant="other"),)), False),
    ],
)
async def test_a_condition_means_what_its_query_means(
    store: EventStore, query: Query, refused: bool
) -> None:
    await store.append([new_event("a", "demo/x:1", "demo/y:1")])

    try:
        await store.append([new_event("b")], AppendCondition(query))
        passed = True
    except AppendConditionFailed:
        passed = False

    assert passed is not refused


async def test_any_of_several_conditions_refuses_all_events(store: EventStore) -> None:
    await store.append([new_event("a", "demo/x:1")])
    fine, broken = AppendCondition(matching("demo/y:1")), AppendCondition(matching("demo/x:1"))

    with pytest.raises(AppendConditionFailed):
        await store.append([new_event("b"), new_event("c")], fine, broken)

    assert await store.head() == 1


async def test_positions_are_dense_under_concurrent_appends(store: EventStore) -> None:
    async def appender(n: int) -> list[tuple[int, int]]:
        return [
            (await store.append([new_event("a", f"demo/n:{n}") for _ in range(size)]), size)
            for size in (1, 2, 3, 1, 2, 3)
        ]

    answers = [one for many in await asyncio.gather(*map(appender, range(64))) for one in many]

    stored = await store.read()
    assert [one.position for one in stored] == list(range(1, 64 * 12 + 1))
    claimed = [p for last, size in answers for p in range(last - size + 1, last + 1)]
    assert sorted(claimed) == list(range(1, 64 * 12 + 1))
    assert [one.recorded_at for one in stored] == sorted(one.recorded_at for one in stored)


async def test_each_caller_learns_the_position_of_its_own_event(store: EventStore) -> None:
    events = [new_event(f"t{n}") for n in range(100)]

    positions = await asyncio.gather(*(store.append([event]) for event in events))

    stored = {one.position: one.event.id for one in await store.read()}
    assert [stored[position] for position in positions] == [event.id for event in events]


async def test_of_many_appends_on_one_condition_exactly_one_passes(store: EventStore) -> None:
    once = AppendCondition(matching("demo/email:ana"))

    answers = await asyncio.gather(
        *(store.append([new_event("a", "demo/email:ana")], once) for _ in range(50)),
        return_exceptions=True,
    )

    assert sum(isinstance(one, int) for one in answers) == 1
    assert sum(isinstance(one, AppendConditionFailed) for one in answers) == 49
    assert await store.head() == 1


async def test_a_refused_append_costs_the_others_nothing(store: EventStore) -> None:
    await store.append([new_event("a", "demo/x:1")])
    broken = AppendCondition(matching("demo/x:1"))

    answers = await asyncio.gather(
        *(
            store.append([new_event("b", f"demo/n:{n}")], *([broken] if n % 3 == 0 else []))
            for n in range(30)
        ),
        return_exceptions=True,
    )

    assert sum(isinstance(one, AppendConditionFailed) for one in answers) == 10
    assert [one.position for one in await store.read()] == list(range(1, 22))


async def test_conditions_on_different_streams_pass_together(store: EventStore) -> None:
    answers = await asyncio.gather(
        *(
            store.append([new_event("a", f"demo/n:{n}")], AppendCondition(matching(f"demo/n:{n}")))
            for n in range(40)
        )
    )

    assert sorted(answers) == list(range(1, 41))


async def test_an_event_id_is_taken_once(store: EventStore) -> None:
    event = new_event("a")
    await store.append([event])

    answers = await asyncio.gather(
        store.append([new_event("b")]),
        store.append([event]),
        store.append([new_event("c")]),
        return_exceptions=True,
    )

    assert isinstance(answers[1], InvalidInput)
    assert sorted(one for one in answers if isinstance(one, int)) == [2, 3]
    twin = new_event("d")
    with pytest.raises(InvalidInput):
        await store.append([twin, twin])
    assert await store.head() == 3


async def test_an_append_that_breaks_a_condition_is_refused_before_its_ids_are_looked_at(
    store: EventStore,
) -> None:
    event = new_event("a", "demo/x:1")
    await store.append([event])

    with pytest.raises(AppendConditionFailed):
        await store.append([event], AppendCondition(matching("demo/x:1")))


@pytest.mark.parametrize(
    ("events", "error"),
    [
        ([], InvalidInput),
        ([new_event("nul\0")], InvalidInput),
        ([new_event("a", "demo/x:\0")], InvalidInput),
        ([new_event("a", "demo/x:\ud800")], InvalidInput),
        ([new_event("a", actor="user:\udfff")], InvalidInput),
        ([new_event("a", occurred_at=datetime(2026, 5, 1))], InvalidInput),
        ([new_event("a", schema_version=0)], InvalidInput),
        ([new_event("a", schema_version=2**31)], InvalidInput),
        ([new_event("a", "demo/x:" + "y" * TAG_BYTES_MAX)], TooLarge),
        ([new_event("a", *(f"demo/x:{n}" for n in range(101)))], TooLarge),
        ([new_event("a", data=bytes(16 * 1024 * 1024 + 1))], TooLarge),
        ([new_event("a") for _ in range(EVENTS_PER_APPEND_MAX + 1)], TooLarge),
    ],
    ids=lambda value: "" if isinstance(value, list) else value.__name__,
)
async def test_what_the_log_cannot_hold_is_named(
    store: EventStore, events: list, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await store.append(events)

    assert await store.append([new_event("fine")]) == 1


async def test_the_largest_append_is_taken(store: EventStore) -> None:
    tags = [f"demo/{n}:" + "é" * 500 for n in range(100)]

    last = await store.append([new_event("a") for _ in range(EVENTS_PER_APPEND_MAX)])
    last = await store.append([new_event("a", *tags, data=bytes(16 * 1024 * 1024))])

    assert last == EVENTS_PER_APPEND_MAX + 1
    [stored] = await store.read(matching(tags[99], tags[0]))
    assert len(stored.event.data) == 16 * 1024 * 1024


async def test_a_cancelled_caller_does_not_break_the_others(store: EventStore) -> None:
    tasks = [asyncio.ensure_future(store.append([new_event(f"t{n}")])) for n in range(40)]
    await asyncio.sleep(0)

    for task in tasks[::2]:
        task.cancel()
    answers = await asyncio.gather(*tasks, return_exceptions=True)

    kept = [one for one in answers if isinstance(one, int)]
    assert len(kept) >= 20
    assert len(set(kept)) == len(kept)
    assert [one.position for one in await store.read()] == list(range(1, await store.head() + 1))


async def test_listeners_hear_the_new_head_after_an_append(store: EventStore) -> None:
    heads: list[int] = []
    store.on_append.append(heads.append)

    await store.append([new_event("a"), new_event("b")])
    with pytest.raises(AppendConditionFailed):
        await store.append([new_event("c")], AppendCondition(Query()))
    await store.append([new_event("d")])

    assert heads == [2, 3]
