"""The read store in PostgreSQL: what was put comes back, with its checkpoint, once."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import asyncpg
import pytest

from aigestion.kernel.errors import CheckpointMoved, Misconfigured, Unavailable
from aigestion.readstores.port import Change, Delete, DeleteWhere, Put, View
from aigestion.readstores.postgres import batches
from aigestion.readstores.postgres.store import PostgresReadStore

VIEW = View("conversations", 1, 1)
MOMENT = datetime(2026, 5, 1, 12, 30, 0, 123456, tzinfo=UTC)

Rows = dict[tuple[str, str], dict[str, Any]]


@pytest.fixture
async def store(pool: asyncpg.Pool) -> PostgresReadStore:
    store = PostgresReadStore(pool)
    await store.prepare(VIEW)
    return store


async def rows_of(store: PostgresReadStore, view: View = VIEW) -> Rows:
    return {(row.collection, row.key): dict(row.fields) async for row in store.rows(view)}


def folded(changes: Sequence[Change]) -> Rows:
    """What the port says the rows are after these changes."""
    rows: Rows = {}
    for change in changes:
        match change:
            case Put(collection, key, fields):
                rows.setdefault((collection, key), {}).update(fields)
            case Delete(collection, key):
                rows.pop((collection, key), None)
            case DeleteWhere(collection, field, value):
                for found in [k for k, f in rows.items() if k[0] == collection]:
                    if rows[found].get(field) == value:
                        del rows[found]
    return {
        key: {name: value for name, value in fields.items() if value is not None}
        for key, fields in rows.items()
    }


async def test_every_type_of_value_comes_back_equal(store: PostgresReadStore) -> None:
    properties = {
        "int": 2**53 + 1,
        "float": 0.1 + 0.2,
        "large": 1.5e300,
        "one": 1.0,
        "text": "ñ \u2028 🙂 \\ \" ' \n",
        "list": [1, [True, None], {}],
    }
    local = timezone(timedelta(hours=5, minutes=30))
    changes = [
        Put(
            "messages",
            "m1",
            {
                "text": "tab\t quote' \" back\\slash {} $1 %s \u2028 🙂 ñ",
                "properties": properties,
                "citations": [],
                "position": 2**63 - 1,
                "occurred_at": MOMENT,
                "notice": None,
            },
        ),
        Put("messages", "m2", {"text": "", "occurred_at": MOMENT.astimezone(local)}),
    ]

    await store.apply(VIEW, changes, 1)

    found = await rows_of(store)
    assert found == folded(changes)
    assert repr(found["messages", "m1"]["properties"]) == repr(properties)


async def test_a_put_keeps_the_fields_it_does_not_name(store: PostgresReadStore) -> None:
    await store.apply(VIEW, [Put("conversations", "c1", {"title": "Boats", "position": 1})], 1)
    await store.apply(VIEW, [Put("conversations", "c1", {"last_position": 2})], 2)

    assert await rows_of(store) == {
        ("conversations", "c1"): {"title": "Boats", "position": 1, "last_position": 2}
    }


@pytest.mark.parametrize("size", [1, 2, 3, 100])
async def test_changes_have_the_outcome_of_their_order_however_they_are_batched(
    store: PostgresReadStore, size: int
) -> None:
    changes: list[Change] = [
        Put("messages", "a", {"text": "one", "role": "user"}),
        Put("messages", "a", {"text": "two"}),
        Put("messages", "b", {"text": "one", "conversation_id": "c1"}),
        Put("conversations", "c1", {"title": "Boats"}),
        Delete("messages", "a"),
        Delete("messages", "nobody"),
        Put("messages", "a", {"text": "three"}),
        Put("messages", "c", {"conversation_id": "c1"}),
        DeleteWhere("messages", "conversation_id", "c1"),
        Put("messages", "c", {"text": "again"}),
        Put("conversations", "c1", {"title": None}),
        Put("messages", "d", {}),
        DeleteWhere("messages", "text", None),
        Put("messages", "e", {"position": 7}),
        DeleteWhere("messages", "position", 7),
    ]

    for start in range(0, len(changes), size):
        part = changes[start : start + size]
        await store.apply(VIEW, part, start + len(part))

    assert folded(changes) == await rows_of(store)
    assert await rows_of(store) == {
        ("conversations", "c1"): {},
        ("messages", "a"): {"text": "three"},
        ("messages", "c"): {"text": "again"},
    }
    assert await store.checkpoint(VIEW) == len(changes)


async def test_a_batch_larger_than_a_statement_arrives_whole(
    store: PostgresReadStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "STATEMENT_BYTES_MAX", 1_000)
    changes = [Put("messages", f"m{n}", {"text": "x" * 300}) for n in range(50)]

    await store.apply(VIEW, changes, 50)

    assert await rows_of(store) == folded(changes)


async def test_a_text_with_more_words_than_an_index_entry_holds_is_kept_whole(
    store: PostgresReadStore,
) -> None:
    text = " ".join(f"wörd{n}" for n in range(400_000))

    await store.apply(VIEW, [Put("messages", "m1", {"text": text})], 1)

    assert (await rows_of(store))["messages", "m1"]["text"] == text


async def test_applying_again_is_the_same_as_once(store: PostgresReadStore) -> None:
    first = [Put("messages", "m1", {"text": "one"})]
    await store.apply(VIEW, first, 5)
    await store.apply(VIEW, [Put("messages", "m1", {"text": "two"})], 6)

    await store.apply(VIEW, first, 5)

    assert await rows_of(store) == {("messages", "m1"): {"text": "two"}}
    assert await store.checkpoint(VIEW) == 6


async def test_a_failing_change_leaves_neither_rows_nor_checkpoint(
    store: PostgresReadStore,
) -> None:
    changes = [
        Put("messages", "m1", {"text": "one"}),
        Put("conversations", "c1", {"no_such_field": 1}),
    ]

    with pytest.raises(asyncpg.UndefinedColumnError):
        await store.apply(VIEW, changes, 1)

    assert await rows_of(store) == {}
    assert await store.checkpoint(VIEW) == 0


async def test_writers_at_once_end_as_one_would(
    store: PostgresReadStore, pool: asyncpg.Pool
) -> None:
    changes = [Put("messages", f"m{n % 7}", {"text": str(n), "position": n}) for n in range(200)]

    async def write(size: int) -> None:
        writer = PostgresReadStore(pool)
        for start in range(0, len(changes), size):
            part = changes[start : start + size]
            await writer.apply(VIEW, part, start + len(part))

    await asyncio.gather(write(3), write(10), write(25))

    assert await rows_of(store) == folded(changes)
    assert await store.checkpoint(VIEW) == len(changes)


async def test_a_view_that_went_back_is_not_written_to_until_its_checkpoint_is_read(
    store: PostgresReadStore, pool: asyncpg.Pool
) -> None:
    await store.apply(VIEW, [], 10)
    await pool.execute(f"UPDATE {VIEW.name}.checkpoint SET position = 4")

    with pytest.raises(CheckpointMoved):
        await store.apply(VIEW, [Put("messages", "m1", {"text": "eleven"})], 11)

    assert await rows_of(store) == {}
    assert await store.checkpoint(VIEW) == 4
    await store.apply(VIEW, [Put("messages", "m1", {"text": "five"})], 5)
    assert await store.checkpoint(VIEW) == 5


async def test_views_of_one_projection_live_side_by_side(store: PostgresReadStore) -> None:
    second = View("conversations", 1, 2)
    await store.prepare(second)

    await store.apply(VIEW, [Put("messages", "m1", {"text": "first"})], 1)
    await store.apply(second, [Put("messages", "m1", {"text": "second"})], 9)
    await store.drop(VIEW)
    await store.drop(VIEW)

    assert await store.checkpoint(VIEW) is None
    assert await store.checkpoint(second) == 9
    assert await rows_of(store, second) == {("messages", "m1"): {"text": "second"}}
    with pytest.raises(CheckpointMoved):
        await store.apply(VIEW, [], 2)


async def test_preparing_at_once_and_again_makes_one_view(pool: asyncpg.Pool) -> None:
    stores = [PostgresReadStore(pool) for _ in range(8)]

    await asyncio.gather(*(store.prepare(VIEW) for store in stores))
    await stores[0].apply(VIEW, [Put("messages", "m1", {"text": "one"})], 1)
    await stores[1].prepare(VIEW)

    assert await rows_of(stores[1]) == {("messages", "m1"): {"text": "one"}}


async def test_a_projection_without_tables_is_a_fault_of_the_program(pool: asyncpg.Pool) -> None:
    with pytest.raises(Misconfigured):
        await PostgresReadStore(pool).prepare(View("nonsense", 1, 1))


async def test_a_database_that_does_not_answer_is_unavailable(
    store: PostgresReadStore, pool: asyncpg.Pool
) -> None:
    await pool.close()

    with pytest.raises(Unavailable) as caught:
        await store.checkpoint(VIEW)

    assert caught.value.details["engine"] == "postgres"
