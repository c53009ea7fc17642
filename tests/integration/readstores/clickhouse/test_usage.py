"""Usage over time: counted from both read models, once however often a row was written."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest

from aigestion.events.conversation import UserAction, UserVoice
from aigestion.events.event import Event
from aigestion.events.recorded import Recorded
from aigestion.events.run import ModelCompleted, ModelFailed, RunFailed
from aigestion.kernel.errors import InvalidInput, Unavailable, ViewBehind
from aigestion.projections.activity import activity
from aigestion.projections.model_calls import model_calls
from aigestion.projections.progress import Progress
from aigestion.queries.usage import POINTS_MAX, Bucket, UsagePoint, UsageQueries
from aigestion.readcache.cached import Cached
from aigestion.readcache.memory import MemoryReadCache
from aigestion.readstores.clickhouse.engine import Engine
from aigestion.readstores.clickhouse.store import ClickHouseReadStore
from aigestion.readstores.clickhouse.tables import Layout
from aigestion.readstores.port import View
from tests.support.history import History, chat, id_of, replied

NOON = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
YEAR = {"start": datetime(2026, 1, 1, tzinfo=UTC), "end": datetime(2027, 1, 1, tzinfo=UTC)}
NOTHING = {name: 0 for name in UsagePoint.__struct_fields__ if name != "start"}
RUN = {"run_id": id_of("run"), "conversation_id": id_of("harbour"), "agent": "assistant"}


class Seen:
    """What is shown to the queries, event by event."""

    def __init__(self, engine: Engine, layout: Layout) -> None:
        self.store = ClickHouseReadStore(engine, layout)
        self.progress = Progress()
        self.queries = UsageQueries(self.store, self.progress)
        self.history = History()
        self.views = {one: View(one.name, one.version, 1) for one in (activity, model_calls)}

    def at(self, moment: datetime, event: Event, tenant: str = "demo") -> Recorded[Any]:
        recorded = self.history.happened(event, tenant=tenant)
        moved = msgspec.structs.replace(recorded, occurred_at=moment)
        self.history.events[-1] = moved
        return moved

    async def show(self) -> None:
        for projection, view in self.views.items():
            await self.store.prepare(view)
            changes = [c for event in self.history.events for c in projection.project(event)]
            await self.store.apply(view, changes, self.history.head)
            self.progress.advance(view, self.history.head)

    async def usage(self, by: Bucket = "day", **bounds: datetime) -> list[UsagePoint]:
        return (await self.queries.usage("demo", by=by, **{**YEAR, **bounds})).data


@pytest.fixture
def seen(engine: Engine, layout: Layout) -> Seen:
    return Seen(engine, layout)


def point(start: datetime, **counts: int) -> UsagePoint:
    return UsagePoint(start=start, **NOTHING | counts)


def completed(**fields: Any) -> ModelCompleted:
    return ModelCompleted(
        **RUN,
        call_id=id_of("call"),
        provider="openai",
        requested_model="m",
        returned_model="m",
        finish_reason="stop",
        usage={},
        requested_at=NOON,
        first_token_seconds=None,
        duration_seconds=1.0,
        output_hash="0f",
        **{"input_tokens": 100, "output_tokens": 10} | fields,
    )


def failed() -> ModelFailed:
    return ModelFailed(
        **RUN,
        user_id="ana",
        call_id=id_of("call"),
        provider="openai",
        requested_model="m",
        reason="timeout",
        message="Too long.",
        requested_at=NOON,
        usage={"input_tokens": 7},
    )


async def test_each_kind_of_event_is_counted_under_its_name(seen: Seen) -> None:
    heard = seen.at(NOON, chat("hello"))
    voice = UserVoice(conversation_id=id_of("h"), user_id="ana", agent="a", transcript="ahoy")
    seen.at(NOON, voice)
    seen.at(NOON, UserAction(conversation_id=id_of("h"), user_id="ana", agent="a", name="n"))
    seen.at(NOON, replied(heard, "hi"))
    seen.at(NOON, RunFailed(**RUN, user_id="ana", in_reply_to=heard.id, reason="r", message="m"))
    seen.at(NOON, completed())
    seen.at(NOON, completed(input_tokens=None, output_tokens=None))
    seen.at(NOON, failed())
    await seen.show()

    assert await seen.usage("day") == [
        UsagePoint(
            start=datetime(2026, 5, 1, tzinfo=UTC),
            events=8,
            messages=2,
            actions=1,
            replies=1,
            failures=1,
            model_calls=3,
            model_failures=1,
            input_tokens=107,
            output_tokens=10,
        )
    ]


@pytest.mark.parametrize(
    ("by", "starts"),
    [
        ("hour", [(4, 30, 23), (5, 1, 0), (5, 1, 1)]),
        ("day", [(4, 30, 0), (5, 1, 0)]),
        ("week", [(4, 27, 0)]),
        ("month", [(4, 1, 0), (5, 1, 0)]),
    ],
)
async def test_a_bucket_begins_when_its_name_says(
    seen: Seen, by: Bucket, starts: list[tuple[int, int, int]]
) -> None:
    for moment in (
        datetime(2026, 4, 30, 23, 59, 59, 999999, UTC),
        datetime(2026, 5, 1, 0, 0, 0, 0, UTC),
        datetime(2026, 5, 1, 1, 0, 0, 1, UTC),
    ):
        seen.at(moment, chat("hello"))
    await seen.show()

    found = await seen.usage(by)

    expected = [datetime(2026, month, day, hour, tzinfo=UTC) for month, day, hour in starts]
    assert [one.start for one in found] == expected
    assert sum(one.messages for one in found) == 3


async def test_the_end_is_not_in_it_and_the_start_is(seen: Seen) -> None:
    for seconds in (0, 1, 2):
        seen.at(NOON + timedelta(seconds=seconds, microseconds=5), chat("hello"))
    await seen.show()
    start = NOON + timedelta(microseconds=5)
    elsewhere = timezone(timedelta(hours=5, minutes=30))

    found = await seen.usage(
        start=start.astimezone(elsewhere), end=(start + timedelta(seconds=2)).astimezone(elsewhere)
    )

    assert [one.messages for one in found] == [2]


async def test_another_tenant_does_not_count(seen: Seen) -> None:
    seen.at(NOON, chat("ours"))
    seen.at(NOON, chat("theirs"), tenant="other")
    seen.at(NOON, completed(), tenant="other")
    await seen.show()

    assert await seen.usage() == [point(datetime(2026, 5, 1, tzinfo=UTC), events=1, messages=1)]


async def test_a_row_that_was_written_twice_counts_once(
    seen: Seen, engine: Engine, layout: Layout
) -> None:
    seen.at(NOON, chat("hello"))
    seen.at(NOON, completed())
    await seen.show()
    before = await seen.usage()

    for projection, view in seen.views.items():
        table = f"{layout.database(view)}.{projection.name}"
        await engine.run(f"INSERT INTO {table} SELECT * FROM {table}")
    database = layout.database(seen.views[activity])
    ((stored,),) = await engine.query(f"SELECT count() FROM {database}.activity")

    assert stored > 2
    assert await seen.usage() == before
    assert (before[0].events, before[0].input_tokens) == (2, 100)


async def test_nothing_is_an_empty_series(seen: Seen) -> None:
    await seen.show()

    assert await seen.usage() == []


async def test_an_answer_names_the_position_of_the_slower_view(seen: Seen) -> None:
    seen.at(NOON, chat("one"))
    await seen.show()
    seen.progress.advance(seen.views[activity], 5)

    answer = await seen.queries.usage("demo", by="day", **YEAR)

    assert answer.position == 1
    with pytest.raises(ViewBehind):
        await seen.queries.usage("demo", by="day", min_position=5, **YEAR)


async def test_too_many_points_are_refused(seen: Seen) -> None:
    for hours in range(POINTS_MAX + 1):
        seen.at(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hours), chat("hello"))
    await seen.show()

    with pytest.raises(InvalidInput, match="by"):
        await seen.usage("hour")
    assert len(await seen.usage("day")) > 80


async def test_a_moment_without_time_zone_is_refused(seen: Seen) -> None:
    await seen.show()

    with pytest.raises(InvalidInput, match="end"):
        await seen.usage(end=datetime(2026, 5, 1))


async def test_a_view_dropped_under_a_question_is_unavailable(seen: Seen) -> None:
    await seen.show()
    await seen.store.drop(seen.views[model_calls])

    with pytest.raises(Unavailable, match="replaced"):
        await seen.usage()


class Counting:
    """Counts the queries that reach the store."""

    def __init__(self, store: ClickHouseReadStore) -> None:
        self._store = store
        self.asked = 0

    async def query(
        self, statement: str, views: Sequence[View], parameters: Mapping[str, Any]
    ) -> Sequence[Sequence[Any]]:
        self.asked += 1
        return await self._store.query(statement, views, parameters)


async def test_with_a_cache_the_same_counts_are_made_once_a_position(seen: Seen) -> None:
    store = Counting(seen.store)
    seen.queries = UsageQueries(store, seen.progress, Cached(MemoryReadCache()))
    seen.at(NOON, chat("hello"))
    await seen.show()

    first, again, hours = [await seen.usage(by) for by in ("day", "day", "hour")]
    theirs = (await seen.queries.usage("other", by="day", **YEAR)).data
    seen.at(NOON, chat("hello again"))
    await seen.show()
    later = await seen.usage()

    assert store.asked == 4
    assert first == again
    assert [point.messages for point in first] == [1]
    assert hours[0].start == NOON
    assert theirs == []
    assert [point.messages for point in later] == [2]
