"""The analytics schema: its columns, whose generation it shows, and that no number moves by itself."""

import re

import pytest

from aigestion.projections.activity import activity
from aigestion.readstores.clickhouse.contract import VIEWS, AnalyticsView
from aigestion.readstores.clickhouse.engine import Engine
from aigestion.readstores.clickhouse.tables import Layout
from tests.support.analytics import Analytics
from tests.support.history import History, chat, id_of
from tests.support.read_models import Rig
from tests.support.seeded_history import seeded_history


@pytest.fixture
def analytics(engine: Engine, layout: Layout) -> Analytics:
    return Analytics(engine, layout)


async def test_every_view_has_the_columns_it_promises(analytics: Analytics) -> None:
    await analytics.build(History())
    database = analytics.layout.contract_database

    for view in VIEWS:
        described = await analytics.engine.query(f"DESCRIBE TABLE {database}.{view.name}")
        assert [tuple(row[:2]) for row in described] == [(c.name, c.type) for c in view.columns]


async def test_no_row_changes_when_events_come_again_or_everything_is_rebuilt(
    analytics: Analytics,
) -> None:
    history = seeded_history(150)
    await analytics.build(history)
    first = await analytics.contract()

    await analytics.deliver_again(history)
    again = await analytics.contract()
    former = dict(analytics.views)
    await analytics.build(history, generation=2)
    for view in former.values():
        await analytics.store.drop(view)

    assert all(first.values())
    assert again == first
    assert await analytics.contract() == first


async def test_the_views_show_what_serves_and_nothing_that_is_being_built(
    analytics: Analytics,
) -> None:
    history = History()
    history.happened(chat("hello"))
    await analytics.build(history)
    history.happened(chat("hello again"))
    before = await analytics.contract()

    await analytics.build(history, generation=2)
    after = await analytics.contract()
    await analytics.store.serve(analytics.views["activity"])

    assert len(before["interactions"]) == 1
    assert len(after["interactions"]) == 2
    assert await analytics.contract() == after


async def test_a_run_is_told_from_the_events_it_left(analytics: Analytics) -> None:
    history = seeded_history(80)
    await analytics.build(history)
    database = analytics.layout.contract_database

    rows = await analytics.engine.query(
        "SELECT outcome, count(), countIf(isNull(ended_at)), countIf(duration_seconds >= wait_seconds) "
        f"FROM {database}.runs GROUP BY outcome ORDER BY outcome"
    )

    types = [recorded.type for recorded in history.events]
    replied, failed = types.count("agent.replied"), types.count("run.failed")
    running = types.count("run.started") - replied - failed
    assert rows == [
        ("failed", failed, 0, failed),
        ("replied", replied, 0, replied),
        ("running", running, running, 0),
    ]
    assert min(replied, failed, running) > 0


async def test_a_rebuild_and_a_roll_back_take_the_contract_along(
    analytics: Analytics, engine: Engine, layout: Layout
) -> None:
    rig = Rig(store=analytics.store, projection=activity)
    await rig.log.record(chat("hello"))
    database = layout.contract_database

    async def shown() -> tuple[int, str]:
        ((rows,),) = await engine.query(f"SELECT count() FROM {database}.interactions")
        ((made,),) = await engine.query(
            "SELECT as_select FROM system.tables WHERE database = {database:String} AND name = 'interactions'",
            {"database": database},
        )
        return rows, re.findall(r"_g(\d+)", made)[-1]

    await rig.model.rebuild()
    first = await shown()
    await rig.log.record(chat("hello again"))
    await rig.model.rebuild()
    second = await shown()
    await rig.model.roll_back()

    assert (first, second, await shown()) == ((1, "1"), (2, "2"), (2, "1"))


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
async def test_a_question_of_one_tenant_reads_no_rows_of_others(
    view: AnalyticsView, embedded: Engine, layout: Layout
) -> None:
    analytics = Analytics(embedded, layout)
    await analytics.build(seeded_history(2, tenants=("demo",)))

    plan = await embedded.query(
        f"EXPLAIN indexes = 1 SELECT * FROM {layout.contract_database}.{view.name} "
        "WHERE tenant = {tenant:String}",
        {"tenant": str(id_of("nobody"))},
    )

    assert "Granules: 0/1" in {line.strip() for (line,) in plan}
