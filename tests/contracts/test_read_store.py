"""What every read store promises: rows, and with them the position they reflect."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import uuid_utils
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aigestion.kernel.errors import CheckpointMoved
from aigestion.projections.fingerprint import canonical
from aigestion.projections.memory_store import MemoryReadStore
from aigestion.readstores.clickhouse.chdb import EmbeddedClickHouse
from aigestion.readstores.clickhouse.http import ClickHouseServer
from aigestion.readstores.clickhouse.store import ClickHouseReadStore
from aigestion.readstores.clickhouse.tables import Layout
from aigestion.readstores.elasticsearch.store import ElasticsearchReadStore
from aigestion.readstores.port import Change, Delete, DeleteWhere, Put, ReadStore, Row, View
from aigestion.readstores.postgres.store import PostgresReadStore
from aigestion.readstores.qdrant.store import QdrantReadStore
from tests.support.clickhouse_process import ClickHouseProcess
from tests.support.elasticsearch import elasticsearch_store
from tests.support.embedder import WordEmbedder
from tests.support.log import migrated
from tests.support.qdrant_server import QdrantServer

VIEW = View("documents", 1, 1)
OTHER = View("documents", 1, 2)
MOMENT = datetime(2026, 5, 1, 12, 30, 0, 123456, tzinfo=UTC)
FIELDS = ("document_key", "tenant", "document_id", "n", "title", "text", "added_at", "position")
KEYWORDS = {"documents": ("tenant", "document_key")}
SCRIPTS = Path(__file__).parent / "read_store_sql"
MAPPINGS = Path(__file__).parent / "read_store_mappings"


@pytest.fixture
async def memory() -> MemoryReadStore:
    return MemoryReadStore()


@pytest.fixture
async def postgres(database_url: str) -> AsyncIterator[PostgresReadStore]:
    async with asyncpg.create_pool(await migrated(database_url), min_size=1, max_size=4) as pool:
        yield PostgresReadStore(pool)


@pytest.fixture
async def clickhouse(tmp_path: Path) -> AsyncIterator[ClickHouseReadStore]:
    async with EmbeddedClickHouse.open(tmp_path / "clickhouse") as engine:
        yield ClickHouseReadStore(engine, Layout(scripts=SCRIPTS))


@pytest.fixture
async def clickhouse_http(
    clickhouse_server: ClickHouseProcess,
) -> AsyncIterator[ClickHouseReadStore]:
    namespace = f"t_{uuid_utils.uuid4().hex}"
    async with ClickHouseServer.connect(clickhouse_server.url) as engine:
        yield ClickHouseReadStore(engine, Layout(scripts=SCRIPTS, namespace=namespace))


@pytest.fixture
async def qdrant(tmp_path: Path) -> AsyncIterator[QdrantReadStore]:
    directory = tmp_path / "qdrant"
    async with QdrantReadStore.open(directory, WordEmbedder(), keywords=KEYWORDS) as store:
        yield store


@pytest.fixture
async def elasticsearch_8_19() -> AsyncIterator[ElasticsearchReadStore]:
    async with elasticsearch_store("8.19.0", MAPPINGS) as store:
        yield store


@pytest.fixture
async def qdrant_server(tmp_path: Path) -> AsyncIterator[QdrantReadStore]:
    with QdrantServer(tmp_path / "qdrant") as server:
        async with QdrantReadStore.connect(server.url, WordEmbedder(), keywords=KEYWORDS) as store:
            yield store


@pytest.fixture
async def elasticsearch_9_2() -> AsyncIterator[ElasticsearchReadStore]:
    async with elasticsearch_store("9.2.4", MAPPINGS) as store:
        yield store


@pytest.fixture(
    params=[
        "memory",
        "postgres",
        "clickhouse",
        "clickhouse_http",
        "qdrant",
        "qdrant_server",
        pytest.param("elasticsearch_8_19", marks=pytest.mark.nightly),
        "elasticsearch_9_2",
    ]
)
def store(request: pytest.FixtureRequest) -> ReadStore:
    return request.getfixturevalue(request.param)


@pytest.fixture
def keeps_facts(request: pytest.FixtureRequest) -> bool:
    """Whether the store takes whole rows only."""
    return isinstance(
        request.getfixturevalue("store"), ClickHouseReadStore | ElasticsearchReadStore
    )


def passage(key: str = "demo/a/0", **fields: Any) -> Put:
    """A whole row: what is not given is None."""
    return Put("passages", key, {**dict.fromkeys(FIELDS), **fields})


async def rows_of(store: ReadStore, view: View = VIEW) -> list[bytes]:
    return sorted([canonical(row) async for row in store.rows(view)])


def expected(*puts: Put) -> list[bytes]:
    return sorted(canonical(Row(put.collection, put.key, put.fields)) for put in puts)


async def test_a_view_begins_empty_at_zero(store: ReadStore) -> None:
    assert await store.checkpoint(VIEW) is None

    await store.prepare(VIEW)
    await store.prepare(VIEW)

    assert await store.checkpoint(VIEW) == 0
    assert await rows_of(store) == []


async def test_preparing_again_keeps_what_is_there(store: ReadStore) -> None:
    await store.prepare(VIEW)
    await store.apply(VIEW, [passage(text="one")], 7)

    await store.prepare(VIEW)

    assert await store.checkpoint(VIEW) == 7
    assert await rows_of(store) == expected(passage(text="one"))


@pytest.mark.parametrize(
    "fields",
    [
        {"text": "ñandú 🦜 \u2028 \\ \" ' ` {view} {x:String} %s $1 \n\t", "title": ""},
        {"n": 0, "position": 2**53 + 1},
        {"n": -1, "position": 2**63 - 1},
        {"added_at": MOMENT},
        {"added_at": datetime(1999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)},
        {"text": "x" * 100_000},
        {"tenant": "null", "text": "NULL"},
        {},
    ],
    ids=lambda fields: ",".join(fields) or "nothing",
)
async def test_what_is_put_is_what_comes_back(store: ReadStore, fields: dict[str, Any]) -> None:
    await store.prepare(VIEW)

    await store.apply(VIEW, [passage(**fields)], 1)

    assert await rows_of(store) == expected(passage(**fields))


async def test_a_moment_of_another_time_zone_is_the_same_moment(store: ReadStore) -> None:
    await store.prepare(VIEW)
    elsewhere = MOMENT.astimezone(timezone(timedelta(hours=-3)))

    await store.apply(VIEW, [passage(added_at=elsewhere)], 1)

    [row] = [row async for row in store.rows(VIEW)]
    found = row.fields["added_at"]
    assert (datetime.fromisoformat(found) if isinstance(found, str) else found) == MOMENT


async def test_a_row_put_again_is_replaced(store: ReadStore) -> None:
    await store.prepare(VIEW)
    await store.apply(VIEW, [passage(text="one", n=1), passage(text="two", n=1)], 1)
    await store.apply(VIEW, [passage(text="three", n=1)], 2)

    assert await rows_of(store) == expected(passage(text="three", n=1))


async def test_fields_that_are_not_put_keep_their_values(
    store: ReadStore, keeps_facts: bool
) -> None:
    if keeps_facts:
        pytest.skip("a store of facts takes whole rows only: tests/integration/readstores")
    await store.prepare(VIEW)
    key = passage().key
    await store.apply(VIEW, [passage(text="one", title="T", n=1)], 1)

    await store.apply(
        VIEW, [Put("passages", key, {"text": "two"}), Put("passages", key, {"n": None})], 2
    )

    assert await rows_of(store) == expected(passage(text="two", title="T"))


async def test_a_deleted_row_is_gone_and_the_others_stay(store: ReadStore) -> None:
    await store.prepare(VIEW)
    await store.apply(VIEW, [passage("a"), passage("b"), passage("c")], 1)

    await store.apply(VIEW, [Delete("passages", "b"), Delete("passages", "absent")], 2)

    assert await rows_of(store) == expected(passage("a"), passage("c"))


@pytest.mark.parametrize(
    ("field", "value", "other"),
    [
        ("document_key", "demo/a'\\", "demo/a"),
        ("n", 1, 10),
        ("added_at", MOMENT, MOMENT + timedelta(microseconds=1)),
        ("title", None, ""),
    ],
)
async def test_rows_are_deleted_by_value(
    store: ReadStore, field: str, value: Any, other: Any
) -> None:
    await store.prepare(VIEW)
    rows = [passage("a", **{field: value}), passage("b", **{field: other})]
    await store.apply(VIEW, [*rows, passage("c", **{field: value})], 1)

    await store.apply(VIEW, [DeleteWhere("passages", field, value)], 2)

    assert await rows_of(store) == expected(passage("b", **{field: other}))


async def test_a_value_a_row_no_longer_has_does_not_delete_it(store: ReadStore) -> None:
    await store.prepare(VIEW)
    await store.apply(VIEW, [passage("a", n=1), passage("b", n=2)], 1)
    await store.apply(VIEW, [passage("a", n=2), passage("b", n=1)], 2)

    await store.apply(VIEW, [DeleteWhere("passages", "n", 1)], 3)

    assert await rows_of(store) == expected(passage("a", n=2))


async def test_changes_are_applied_in_order(store: ReadStore) -> None:
    await store.prepare(VIEW)
    await store.apply(VIEW, [passage("a", n=1, title="old")], 1)

    await store.apply(
        VIEW,
        [
            passage("b", n=1),
            DeleteWhere("passages", "n", 1),
            passage("a", n=1, text="new"),
            passage("c", n=3),
            Delete("passages", "c"),
        ],
        2,
    )

    assert await rows_of(store) == expected(passage("a", n=1, text="new"))


async def test_what_is_already_reflected_is_not_applied_again(store: ReadStore) -> None:
    await store.prepare(VIEW)
    await store.apply(VIEW, [passage("a", n=1)], 5)

    await store.apply(VIEW, [passage("a", n=2)], 5)
    await store.apply(VIEW, [passage("b", n=3)], 4)

    assert await store.checkpoint(VIEW) == 5
    assert await rows_of(store) == expected(passage("a", n=1))


async def test_the_checkpoint_moves_without_changes(store: ReadStore) -> None:
    await store.prepare(VIEW)

    for position in (1, 2, 3, 1_000_000_000_000):
        await store.apply(VIEW, [], position)

    assert await store.checkpoint(VIEW) == 1_000_000_000_000
    assert await rows_of(store) == []


async def test_views_do_not_see_each_other(store: ReadStore) -> None:
    for view in (VIEW, OTHER):
        await store.prepare(view)
    await store.apply(VIEW, [passage("a", n=1)], 1)
    await store.apply(OTHER, [passage("a", n=2)], 2)

    await store.drop(VIEW)
    await store.drop(VIEW)

    assert await store.checkpoint(VIEW) is None
    assert await store.checkpoint(OTHER) == 2
    assert await rows_of(store, OTHER) == expected(passage("a", n=2))


async def test_a_view_that_was_dropped_can_be_made_anew(store: ReadStore) -> None:
    await store.prepare(VIEW)
    await store.apply(VIEW, [passage("a")], 9)
    await store.drop(VIEW)

    await store.prepare(VIEW)

    assert await store.checkpoint(VIEW) == 0
    assert await rows_of(store) == []


async def test_nothing_is_written_to_a_view_that_is_gone(store: ReadStore) -> None:
    with pytest.raises(CheckpointMoved):
        await store.apply(VIEW, [passage("a")], 1)


async def test_many_rows_come_back_one_by_one(store: ReadStore) -> None:
    await store.prepare(VIEW)
    puts = [passage(f"k{n}", n=n) for n in range(1_500)]

    await store.apply(VIEW, puts, 1_500)

    assert await rows_of(store) == expected(*puts)


async def test_reading_rows_may_be_given_up(store: ReadStore) -> None:
    await store.prepare(VIEW)
    await store.apply(VIEW, [passage(f"k{n}") for n in range(600)], 1)

    for _ in range(5):
        rows = store.rows(VIEW)
        await anext(rows)
        await rows.aclose()  # type: ignore[attr-defined]

    assert len(await rows_of(store)) == 600


async def test_an_event_that_was_set_aside_is_added_later(store: ReadStore) -> None:
    await store.prepare(VIEW)
    await store.apply(VIEW, [passage("a", n=1), passage("b", n=1), passage("c", n=3)], 9)

    for _ in range(2):
        await store.amend(VIEW, [DeleteWhere("passages", "n", 1), passage("d", n=4)], 5)

    assert await store.checkpoint(VIEW) == 9
    assert await rows_of(store) == expected(passage("c", n=3), passage("d", n=4))


async def test_nothing_is_added_to_a_view_that_is_gone(store: ReadStore) -> None:
    with pytest.raises(CheckpointMoved):
        await store.amend(VIEW, [passage("a")], 1)


async def test_a_view_may_be_told_to_serve_again_and_again(store: ReadStore) -> None:
    await store.prepare(VIEW)
    await store.prepare(OTHER)

    for view in (VIEW, OTHER, OTHER, VIEW):
        await store.serve(view)

    assert [await store.checkpoint(view) for view in (VIEW, OTHER)] == [0, 0]


async def test_rows_of_a_view_that_does_not_serve_are_there_too(store: ReadStore) -> None:
    await store.prepare(VIEW)

    await store.apply(VIEW, [passage("a")], 1, visible=False)
    await store.apply(VIEW, [passage("b")], 2, visible=True)

    assert await rows_of(store) == expected(passage("a"), passage("b"))


KEYS = st.sampled_from(["a", "b", "c", "d"])
NUMBERS = st.sampled_from([None, 1, 2])
CHANGES: st.SearchStrategy[Change] = st.one_of(
    st.builds(lambda key, n, text: passage(key, n=n, text=text), KEYS, NUMBERS, KEYS),
    st.builds(Delete, st.just("passages"), KEYS),
    st.builds(DeleteWhere, st.just("passages"), st.just("n"), NUMBERS),
)


@settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(batches=st.lists(st.lists(CHANGES, max_size=6), max_size=4))
async def test_every_store_comes_to_the_same_rows(
    batches: list[list[Change]], store: ReadStore
) -> None:
    model = MemoryReadStore()
    for one in (model, store):
        await one.drop(VIEW)
        await one.prepare(VIEW)
        for position, changes in enumerate(batches, 1):
            await one.apply(VIEW, changes, position)

    assert await rows_of(store) == await rows_of(model)
