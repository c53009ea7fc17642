"""The read store in ClickHouse: whole rows, once, whatever happens in between."""

import asyncio
import math
import random
import struct
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from aigestion.events.recorded import Recorded
from aigestion.kernel.errors import ChangeRejected, CheckpointMoved, Misconfigured
from aigestion.projections.activity import activity
from aigestion.projections.filling import fill
from aigestion.projections.fingerprint import canonical
from aigestion.projections.memory_store import MemoryReadStore
from aigestion.projections.model_calls import model_calls
from aigestion.projections.projection import Projection
from aigestion.projections.quarantine import MemoryQuarantine
from aigestion.projections.writer import ViewWriter
from aigestion.readstores.clickhouse.engine import Engine
from aigestion.readstores.clickhouse.store import KEYS_IN_STATEMENT_MAX, ClickHouseReadStore
from aigestion.readstores.clickhouse.tables import Layout
from aigestion.readstores.port import Change, Delete, DeleteWhere, Put, ReadStore, View
from tests.support.event_log import EventLog
from tests.support.samples import history_of_everything

VIEW = View("readings", 1, 1)
MOMENT = datetime(2026, 5, 1, 12, 30, 0, 123456, tzinfo=UTC)
READING = {
    "position": 1,
    "ok": True,
    "level": 0.1 + 0.2,
    "at": MOMENT,
    "notes": {"a": [1]},
    "few": 3,
    "some": -4,
    "name": "ñ",
}
TABLE = """
CREATE TABLE IF NOT EXISTS {view}.readings (
    key String,
    position UInt64,
    ok Nullable(Bool),
    level Nullable(Float64),
    at Nullable(DateTime64(6, 'UTC')),
    notes Nullable(String) COMMENT 'json',
    few UInt32,
    some Nullable(Int64),
    name LowCardinality(Nullable(String))
)
ENGINE = ReplacingMergeTree
ORDER BY position
"""


@pytest.fixture
def readings(layout: Layout, tmp_path: Path) -> Layout:
    """Where the collection of this suite is."""
    (tmp_path / "readings.sql").write_text(TABLE)
    return msgspec.structs.replace(layout, scripts=tmp_path)


@pytest.fixture
async def store(engine: Engine, readings: Layout) -> ClickHouseReadStore:
    store = ClickHouseReadStore(engine, readings)
    await store.prepare(VIEW)
    return store


@pytest.fixture
def database(readings: Layout) -> str:
    return readings.database(VIEW)


def reading(key: str = "r", **fields: Any) -> Put:
    return Put("readings", key, READING | fields)


async def rows_of(store: ReadStore, view: View = VIEW) -> list[bytes]:
    return sorted([canonical(row) async for row in store.rows(view)])


async def stored_rows(engine: Engine, database: str) -> int:
    """Rows as they lie there, older versions included."""
    ((count,),) = await engine.query(f"SELECT count() FROM {database}.readings")
    return int(count)


async def set_back(engine: Engine, database: str, position: int) -> None:
    """As a crash or a restored backup may do."""
    await engine.run(f"TRUNCATE TABLE {database}.checkpoint")
    await engine.insert(database, "checkpoint", {"position": "UInt64"}, b"[%d]\n" % position)


@pytest.mark.parametrize(
    "fields",
    [
        {"ok": False},
        {"ok": None},
        {"level": -0.0},
        {"level": 5e-324},
        {"level": 1.7976931348623157e308},
        {"level": 1.0},
        {"level": -2.2250738585072014e-308},
        {"level": 123456789.12345679},
        {"at": MOMENT + timedelta(microseconds=1)},
        {"at": datetime(1970, 1, 1, tzinfo=UTC)},
        {"at": datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)},
        {"at": datetime(1900, 1, 1, 0, 0, 0, 1, tzinfo=UTC)},
        {"at": datetime(1900, 1, 1, tzinfo=UTC)},
        {"at": datetime(2262, 4, 12, 0, 0, 0, 1, tzinfo=UTC)},
        {"at": datetime(2299, 12, 31, tzinfo=UTC)},
        {"position": 2**63 - 1},
        {"position": 0, "few": 0},
        {"few": 2**32 - 1},
        {"some": 2**63 - 1},
        {"some": -(2**63)},
        {"some": None},
        {"name": ""},
        {"name": "ñ\0\\\"'\n\t\b\f\r/\x7f\u2028😀[]{},:"},
        {"name": "null"},
        {"name": None},
        {"notes": {}},
        {"notes": []},
        {"notes": {"deep": [{"none": None, "text": "ñ\0\\\"'", "int": 2**63, "float": 1.0}]}},
        {"notes": None},
    ],
    ids=str,
)
async def test_every_type_of_value_comes_back_exactly(
    store: ClickHouseReadStore, fields: dict[str, Any]
) -> None:
    await store.apply(VIEW, [reading(**fields)], 1)

    [row] = [row async for row in store.rows(VIEW)]

    put = {name: value for name, value in (READING | fields).items() if value is not None}
    assert {name: (type(v), v) for name, v in row.fields.items()} == {
        name: (type(v), v) for name, v in put.items()
    }


async def test_any_float_comes_back_exactly(store: ClickHouseReadStore) -> None:
    chance = random.Random(20)
    bits = (struct.unpack("<d", chance.randbytes(8))[0] for _ in range(2_000))
    floats = [chance.random() * 10 ** chance.randint(-9, 9) for _ in range(2_000)]
    floats += [one for one in bits if math.isfinite(one)]
    puts = [reading(f"r{n}", position=n, level=level) for n, level in enumerate(floats)]

    await store.apply(VIEW, puts, 1)

    found = {row.fields["position"]: row.fields["level"] async for row in store.rows(VIEW)}
    assert [found[n] for n in range(len(floats))] == floats


@pytest.mark.parametrize("projection", [activity, model_calls], ids=lambda one: one.name)
async def test_every_event_of_the_catalog_is_kept_as_it_was_projected(
    engine: Engine, layout: Layout, projection: Projection
) -> None:
    store, memory = ClickHouseReadStore(engine, layout), MemoryReadStore()
    view = View(projection.name, projection.version, 1)
    history = history_of_everything()
    changes = [change for event in history.events for change in projection.project(event)]

    for one in (store, memory):
        await one.prepare(view)
        await one.apply(view, changes, history.head)

    assert len(changes) >= 2
    assert await rows_of(store, view) == await rows_of(memory, view)


@pytest.mark.parametrize(
    "put",
    [
        Put("readings", "r", {"position": 1}),
        reading(colour="blue"),
        Put("readings", "r", {**READING, "colour": "blue", "ok": None} | {}),
        Put("colours", "r", READING),
    ],
)
async def test_a_put_that_is_no_whole_row_is_refused_before_anything_is_written(
    store: ClickHouseReadStore, engine: Engine, database: str, put: Put
) -> None:
    with pytest.raises(Misconfigured):
        await store.apply(VIEW, [put], 1)

    assert await store.checkpoint(VIEW) == 0
    assert await stored_rows(engine, database) == 0


@pytest.mark.parametrize(
    "fields",
    [
        {"position": "1"},
        {"position": -1},
        {"position": 2**63},
        {"position": 1.0},
        {"position": None},
        {"ok": 1},
        {"ok": "true"},
        {"level": "0.5"},
        {"level": float("nan")},
        {"level": float("inf")},
        {"level": 1j},
        {"at": "2026-05-01T12:30:00Z"},
        {"at": MOMENT.replace(tzinfo=None)},
        {"at": 1_777_638_600},
        {"at": datetime(1899, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)},
        {"at": datetime(2300, 1, 1, tzinfo=UTC)},
        {"notes": {"when": 1j}},
        {"notes": "\ud800"},
        {"few": 2**32},
        {"few": -1},
        {"few": True},
        {"some": 2**63},
        {"some": -(2**63) - 1},
        {"name": 5},
        {"name": "\ud800"},
    ],
    ids=repr,
)
async def test_a_value_of_another_type_is_rejected_and_no_row_is_written(
    store: ClickHouseReadStore, engine: Engine, database: str, fields: dict[str, Any]
) -> None:
    with pytest.raises(ChangeRejected) as rejected:
        await store.apply(VIEW, [reading("before"), reading("r", **fields), reading("after")], 1)

    assert not any(repr(value) in str(rejected.value) for value in fields.values())
    assert await store.checkpoint(VIEW) == 0
    assert await stored_rows(engine, database) == 0


async def test_a_column_nobody_has_said_the_values_of_is_refused(
    engine: Engine, readings: Layout, tmp_path: Path
) -> None:
    (tmp_path / "readings.sql").write_text(TABLE.replace("few UInt32", "few UInt16"))
    store = ClickHouseReadStore(engine, readings)
    await store.prepare(VIEW)

    with pytest.raises(Misconfigured, match="few"):
        await store.apply(VIEW, [reading()], 1)


async def test_packed_changes_are_the_same_rows(
    store: ClickHouseReadStore, engine: Engine, readings: Layout
) -> None:
    other = View("readings", 1, 2)
    await store.prepare(other)
    lots = [[reading(f"{lot}/{n}", position=9 * lot + n) for n in range(9)] for lot in range(3)]
    lots[2].append(reading("0/1", position=1, name="put again"))

    packs = [await store.pack(VIEW, lot) for lot in lots]
    await store.apply_packed(VIEW, packs, 27)
    await store.apply(other, [put for lot in lots for put in lot], 27)

    assert await rows_of(store) == await rows_of(store, other)
    assert len(await rows_of(store)) == 27


async def test_packs_are_applied_in_their_order(store: ClickHouseReadStore) -> None:
    lots: list[list[Change]] = [
        [reading("kept"), reading("gone", position=2), Delete("readings", "gone")],
        [reading("back", position=3), DeleteWhere("readings", "position", 3)],
        [reading("back", position=3)],
    ]

    await store.apply_packed(VIEW, [await store.pack(VIEW, lot) for lot in lots], 1)

    assert sorted([row.key async for row in store.rows(VIEW)]) == ["back", "kept"]
    assert await store.checkpoint(VIEW) == 1


async def test_packing_refuses_what_apply_would(store: ClickHouseReadStore) -> None:
    for put, error in [
        (reading("s", position="1"), ChangeRejected),
        (Put("readings", "s", {"position": 1}), Misconfigured),
        (Put("colours", "r", READING), Misconfigured),
    ]:
        with pytest.raises(error):
            await store.pack(VIEW, [reading(), put])
    with pytest.raises(CheckpointMoved):
        await store.pack(View("readings", 1, 9), [reading()])


async def test_a_view_is_filled_though_a_value_in_the_middle_is_not_taken(
    engine: Engine, layout: Layout
) -> None:
    def project(event: Recorded[Any]) -> Sequence[Change]:
        [put] = activity.project(event)
        assert isinstance(put, Put)
        too_many = {"text_chars": 2**32} if event.position == 7 else {}
        return [Put(put.collection, put.key, put.fields | too_many)]

    projection, view = replace(activity, project=project), View("activity", activity.version, 1)
    log = EventLog()
    await log.record_chats(20)
    store, quarantine = ClickHouseReadStore(engine, layout), MemoryQuarantine()
    await store.prepare(view)

    await fill(ViewWriter(projection, view, store, quarantine), log.reader)

    (parked,) = (await quarantine.keys(view)).values()
    assert (parked.position, parked.events) == (7, 1)
    found = sorted([row.fields["position"] async for row in store.rows(view)])
    assert found == [n for n in range(1, 21) if n != 7]
    assert await store.checkpoint(view) == 20


async def test_many_rows_with_long_keys_are_deleted_at_once(store: ClickHouseReadStore) -> None:
    keys = [f"'ñ\\\n{n:0200}" for n in range(KEYS_IN_STATEMENT_MAX + 1)]
    kept = reading("kept", position=5_000)
    puts = [reading(key, position=n) for n, key in enumerate(keys)]
    await store.apply(VIEW, [*puts, kept], 1)

    await store.apply(VIEW, [Delete("readings", key) for key in keys], 2)

    assert [row.key async for row in store.rows(VIEW)] == ["kept"]


async def test_a_projection_without_tables_is_refused(store: ClickHouseReadStore) -> None:
    with pytest.raises(Misconfigured, match="has no tables"):
        await store.prepare(View("unheard_of", 1, 1))


async def test_rows_that_a_crash_left_without_checkpoint_are_written_again_and_count_once(
    store: ClickHouseReadStore, engine: Engine, readings: Layout, database: str
) -> None:
    puts = [reading(f"r{n}", position=n) for n in range(1, 5)]
    await store.apply(VIEW, puts, 4)
    await set_back(engine, database, 0)
    after_the_crash = ClickHouseReadStore(engine, readings)

    assert await after_the_crash.checkpoint(VIEW) == 0
    await after_the_crash.apply(VIEW, puts[:2], 2)
    await after_the_crash.apply(VIEW, puts[1:], 4)

    assert await stored_rows(engine, database) > 4
    assert [row.fields["position"] async for row in after_the_crash.rows(VIEW)] == [1, 2, 3, 4]


async def test_a_view_that_went_back_is_noticed(
    store: ClickHouseReadStore, engine: Engine, database: str
) -> None:
    await store.apply(VIEW, [reading()], 9)
    await set_back(engine, database, 3)

    with pytest.raises(CheckpointMoved):
        await store.apply(VIEW, [reading("later")], 10)

    assert await store.checkpoint(VIEW) == 3
    await store.apply(VIEW, [reading("later", position=2)], 10)
    assert len(await rows_of(store)) == 2


@pytest.mark.parametrize("done", [1, 2, 3])
async def test_a_view_whose_making_was_interrupted_is_none_and_can_be_made(
    store: ClickHouseReadStore, engine: Engine, readings: Layout, done: int
) -> None:
    view = View("readings", 1, 2)
    for statement in list(readings.statements(view))[:done]:
        await engine.run(statement)
    half_made = await store.checkpoint(view)

    await store.prepare(view)
    await store.apply(view, [reading()], 1)

    assert half_made is None
    assert await store.checkpoint(view) == 1
    assert len(await rows_of(store, view)) == 1


async def test_two_processes_may_make_a_view_at_once(engine: Engine, readings: Layout) -> None:
    view = View("readings", 1, 2)
    one, other = (ClickHouseReadStore(engine, readings) for _ in range(2))

    await asyncio.gather(*(store.prepare(view) for store in (one, other, one, other)))
    await one.apply(view, [reading()], 7)
    await other.prepare(view)

    assert await other.checkpoint(view) == 7


async def test_a_cancelled_apply_is_done_when_it_says_so(
    store: ClickHouseReadStore, engine: Engine, database: str
) -> None:
    puts = [reading(f"r{n}", position=n) for n in range(1, 5_001)]
    applying = asyncio.create_task(store.apply(VIEW, puts, 5_000))
    await asyncio.sleep(0.001)
    applying.cancel()

    with pytest.raises(asyncio.CancelledError):
        await applying

    checkpoint = await store.checkpoint(VIEW)
    rows = await stored_rows(engine, database)
    await asyncio.sleep(0.1)
    assert (await store.checkpoint(VIEW), await stored_rows(engine, database)) == (checkpoint, rows)


@pytest.mark.parametrize("projection", [activity, model_calls], ids=lambda one: one.name)
async def test_the_engine_understands_what_a_cluster_would_be_told(
    embedded: Engine, projection: Projection
) -> None:
    """No cluster runs here: its statements are parsed, not run."""
    layout = Layout(namespace="prod", cluster="everywhere", retention_days=90)
    view = View(projection.name, projection.version, 1)

    expiry = str(layout.expiry(view, projection.name))
    for statement in (*layout.statements(view), expiry, layout.drop(view)):
        tree = "\n".join(line for (line,) in await embedded.query(f"EXPLAIN AST {statement}"))

        assert f"prod_{view.name}" in tree
        if "CREATE TABLE" in statement:
            assert "Function ReplicatedReplacingMergeTree" in tree
