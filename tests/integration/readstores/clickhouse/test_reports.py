"""Reports on both engines: equal to a fold of the log, of one tenant, the same after any replay."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest

from aigestion.kernel.errors import InvalidInput, NotFound, Unavailable, UnknownName, ViewBehind
from aigestion.queries.report_catalog import REPORTS
from aigestion.queries.report_question import (
    FILTERS_MAX,
    RANGE_DAYS_MAX,
    CheckedQuestion,
    ReportQuestion,
    checked,
)
from aigestion.queries.reports import ROWS_MAX, ReportQueries, Row
from aigestion.readcache.cached import Cached
from aigestion.readcache.memory import MemoryReadCache
from aigestion.readstores.clickhouse.engine import Engine
from aigestion.readstores.clickhouse.store import ClickHouseReadStore
from aigestion.readstores.clickhouse.tables import Layout
from aigestion.readstores.port import View
from tests.support.analytics import Analytics
from tests.support.history import History, chat
from tests.support.report_fold import folded
from tests.support.seeded_history import ACTIONS, BEGIN, seeded_history

SPRING = {"start": BEGIN, "end": BEGIN + timedelta(days=60)}
STEPS = ("opened", "cart.filled", "paid")
HISTORY = seeded_history(400)


def asked(report: str, **fields: Any) -> CheckedQuestion:
    steps = STEPS if report == "funnel" else ()
    return checked(ReportQuestion(**{"report": report, **SPRING, "steps": steps} | fields))


class Filled:
    """The seeded history in an engine, and its reports."""

    def __init__(self, engine: Engine, layout: Layout) -> None:
        self.analytics = Analytics(engine, layout)
        self.queries = ReportQueries(self.analytics.store, self.analytics.progress)

    async def rows(self, question: CheckedQuestion, tenant: str = "demo") -> list[Row]:
        return (await self.queries.report(tenant, question)).data

    async def all(self) -> dict[str, list[Row]]:
        return {one.name: await self.rows(asked(one.name)) for one in REPORTS}


@pytest.fixture
async def filled(engine: Engine, layout: Layout) -> Filled:
    filled = Filled(engine, layout)
    await filled.analytics.build(HISTORY)
    return filled


SPLITS: dict[str, list[tuple[str, ...]]] = {
    report.name: [
        report.by,
        ("total",),
        *((one.name,) for one in report.dimensions),
        *((bucket,) for bucket in report.buckets if bucket != "hour"),
        *((("hour", report.dimensions[0].name),) if report.buckets else ()),
    ]
    for report in REPORTS
}


async def test_every_report_split_in_every_way_equals_a_fold_of_the_log(filled: Filled) -> None:
    compared = 0
    for report in REPORTS:
        for by in SPLITS[report.name]:
            for tz in ("Europe/Madrid", "Asia/Kolkata"):
                question = asked(report.name, by=by, tz=tz)
                found = await filled.rows(question)
                expected = folded(HISTORY, "demo", question)
                assert comparable(found) == comparable(expected), (report.name, by, tz)
                compared += len(found)
    assert compared > 3_000


def comparable(rows: Sequence[Row]) -> list[Row]:
    return sorted(rows, key=repr)


async def test_no_number_changes_when_events_come_again_or_everything_is_rebuilt(
    filled: Filled,
) -> None:
    before = await filled.all()

    await filled.analytics.deliver_again(HISTORY)
    again = await filled.all()
    former = list(filled.analytics.views.values())
    await filled.analytics.build(HISTORY, generation=2)
    for view in former:
        await filled.analytics.store.drop(view)

    assert all(before.values())
    assert again == before
    assert await filled.all() == before


async def test_a_filter_takes_values_of_one_dimension_as_alternatives_and_all_dimensions_at_once(
    filled: Filled,
) -> None:
    filters = (("type", "user.chat"), ("type", "user.voice"), ("agent", "clerk"))
    question = asked("active_users", by=("week",), filters=filters)

    found = await filled.rows(question)
    everything = await filled.rows(asked("active_users", by=("week",)))

    assert comparable(found) == comparable(folded(HISTORY, "demo", question))
    assert 0 < found[0]["interactions"] < everything[0]["interactions"]


async def test_what_a_caller_says_is_a_value_and_never_sql(filled: Filled) -> None:
    odd = ACTIONS[-1]
    found = await filled.rows(asked("actions", filters=(("action", odd),)))
    nothing = await filled.rows(asked("actions", filters=(("agent", "x' OR 1 = 1 --"),)))
    funnel = await filled.rows(asked("funnel", steps=(odd, "paid{tenant:String}")))

    assert [row["action"] for row in found] == [odd]
    assert nothing == []
    assert [row["action"] for row in funnel] == [odd]
    assert await filled.rows(asked("usage"), "demo' OR '1' = '1") == []


async def test_another_tenant_has_numbers_of_its_own(filled: Filled) -> None:
    question = asked("usage", by=("month",))

    theirs = await filled.rows(question, "other")
    assert comparable(theirs) == comparable(folded(HISTORY, "other", question))
    assert await filled.rows(question, "nobody") == []


async def test_rows_come_in_order_of_what_they_are_split_by(filled: Filled) -> None:
    rows = await filled.rows(asked("tokens", by=("day", "model")))

    keys = [(row["start"], row["model"]) for row in rows]
    assert keys == sorted(keys)
    assert list(rows[0])[:2] == ["start", "model"]


@pytest.mark.parametrize(
    ("fields", "error", "says"),
    [
        ({"report": "usages"}, NotFound, "there are usage, active_users, latency"),
        (
            {"by": ("user",)},
            UnknownName,
            "usage is split by hour, day, week, month, agent, or total",
        ),
        ({"by": ("day", "hour")}, UnknownName, "more than once"),
        ({"by": ("agent", "agent")}, UnknownName, "more than once"),
        ({"by": ("total", "day")}, UnknownName, "by does not know 'total'"),
        ({"filters": (("user; --", "x"),)}, UnknownName, "usage is filtered on agent"),
        ({"filters": (("agent", "a\0"),)}, InvalidInput, "filter must be text"),
        ({"filters": (("agent", "a"),) * (FILTERS_MAX + 1)}, InvalidInput, "more than 20 times"),
        ({"tz": "Mars/Olympus"}, UnknownName, "tz is no time zone"),
        ({"tz": "../../etc/passwd"}, UnknownName, "tz is no time zone"),
        ({"steps": ("opened", "paid")}, UnknownName, "step is not a parameter of usage"),
        ({"report": "funnel", "steps": ("opened",)}, InvalidInput, "from 2 to 10 times"),
        ({"report": "funnel", "steps": ("opened", "opened")}, InvalidInput, "different"),
        ({"report": "funnel", "steps": ("opened", "")}, InvalidInput, "name of an action"),
        ({"report": "funnel", "by": ("day",)}, UnknownName, "funnel is split by step, action"),
        ({"start": SPRING["end"]}, InvalidInput, "from must be before to"),
        ({"start": datetime(2021, 3, 2, tzinfo=UTC)}, InvalidInput, "more than 400 days"),
        ({"end": datetime(2026, 5, 1)}, InvalidInput, "to needs a time zone"),
    ],
)
async def test_what_cannot_be_answered_says_what_can(
    embedded: Engine, layout: Layout, fields: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        await Filled(embedded, layout).rows(asked(**{"report": "usage"} | fields))


async def test_more_rows_than_anybody_can_look_at_are_refused(
    embedded: Engine, layout: Layout
) -> None:
    filled, history = Filled(embedded, layout), History()
    for hours in range(ROWS_MAX + 1):
        history.happened(chat("hello"))
        moved = {"occurred_at": BEGIN + timedelta(hours=hours)}
        history.events[-1] = msgspec.structs.replace(history.events[-1], **moved)
    await filled.analytics.build(history)
    year = {"start": BEGIN, "end": BEGIN + timedelta(days=RANGE_DAYS_MAX)}

    with pytest.raises(InvalidInput, match="by makes more than 2000 rows"):
        await filled.rows(asked("usage", by=("hour",), **year))
    assert len(await filled.rows(asked("usage", **year))) == 84


async def test_the_start_is_in_the_range_and_the_end_is_not(filled: Filled) -> None:
    elsewhere = timezone(timedelta(hours=5, minutes=30))
    ours = (one for one in HISTORY.events if (one.tenant, one.type) == ("demo", "user.chat"))
    moment = next(ours).occurred_at
    later = moment + timedelta(microseconds=1)

    async def messages(start: datetime, end: datetime) -> int:
        rows = await filled.rows(asked("usage", start=start, end=end, by=("total",)))
        return int(rows[0]["messages"])

    assert await messages(moment.astimezone(elsewhere), later) == 1
    assert await messages(moment - timedelta(seconds=1), moment) == 0
    assert await messages(later, later + timedelta(seconds=1)) == 0


async def test_an_answer_names_the_position_of_the_slower_view_and_waits_for_neither_in_vain(
    filled: Filled,
) -> None:
    views, progress = filled.analytics.views, filled.analytics.progress
    progress.advance(views["activity"], HISTORY.head + 5)

    both = await filled.queries.report("demo", asked("usage"))
    one = await filled.queries.report("demo", asked("actions"), min_position=HISTORY.head + 5)

    assert (both.position, one.position) == (HISTORY.head, HISTORY.head + 5)
    with pytest.raises(ViewBehind):
        await filled.queries.report("demo", asked("usage"), min_position=HISTORY.head + 5)


async def test_a_view_dropped_under_a_question_is_unavailable(filled: Filled) -> None:
    await filled.analytics.store.drop(filled.analytics.views["model_calls"])

    with pytest.raises(Unavailable, match="replaced"):
        await filled.rows(asked("usage"))


class Counting:
    """Counts the reports that reach the store."""

    def __init__(self, store: ClickHouseReadStore) -> None:
        self._store = store
        self.asked = 0

    async def query(
        self, statement: str, views: Sequence[View], parameters: Mapping[str, Any]
    ) -> Sequence[Sequence[Any]]:
        self.asked += bool(views)
        return await self._store.query(statement, views, parameters)


async def test_with_a_cache_the_same_question_is_asked_once_a_position(filled: Filled) -> None:
    store, progress = Counting(filled.analytics.store), filled.analytics.progress
    filled.queries = ReportQueries(store, progress, Cached(MemoryReadCache()))

    first, again = [await filled.rows(asked("usage")) for _ in range(2)]
    asked_once = store.asked
    await filled.rows(asked("usage", by=("week",)))
    await filled.rows(asked("usage", filters=(("agent", "clerk"),)))
    await filled.rows(asked("usage", tz="Europe/Madrid"))
    await filled.rows(asked("usage"), "other")
    for view in filled.analytics.views.values():
        progress.advance(view, HISTORY.head + 1)
    await filled.rows(asked("usage"))

    assert first == again
    assert (asked_once, store.asked) == (1, 6)
