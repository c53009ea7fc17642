"""The read store in Elasticsearch: no late writer does harm, and nothing is seen before its time."""

from datetime import UTC, datetime
from typing import Any

import pytest
from elasticsearch import NotFoundError

from aigestion.kernel.errors import ChangeRejected, CheckpointMoved, Misconfigured
from aigestion.projections.memory_store import MemoryReadStore
from aigestion.projections.search import search
from aigestion.readstores.elasticsearch.store import ElasticsearchReadStore
from aigestion.readstores.port import Change, Delete, DeleteWhere, Put, View
from tests.integration.readstores.elasticsearch.books import (
    NEXT,
    VIEW,
    book,
    books_of,
    expected,
)
from tests.support.elasticsearch import NEWEST_AND_AT_NIGHT_OLDER, elasticsearch_store
from tests.support.samples import history_of_everything


def another(store: ElasticsearchReadStore) -> ElasticsearchReadStore:
    """The same store, as another process has it."""
    return ElasticsearchReadStore(store.client, store.indices.namespace, mappings=store.mappings)


async def seen(store: ElasticsearchReadStore, index: str | None = None) -> set[str]:
    """The ids that a search finds, tombstones included."""
    answer = await store.client.search(index=index or store.indices.name(VIEW, "books"), size=100)
    return {hit["_id"] for hit in answer.body["hits"]["hits"]}


async def test_what_is_not_to_be_visible_yet_is_seen_with_what_follows(
    store: ElasticsearchReadStore,
) -> None:
    await store.prepare(VIEW)
    await store.apply(VIEW, [book("a")], 1, visible=False)
    before = await seen(store)

    await store.apply(VIEW, [], 2)

    assert before == set()
    assert await seen(store) == {"a"}


async def test_what_another_process_has_left_unseen_is_seen_too(
    store: ElasticsearchReadStore,
) -> None:
    await store.prepare(VIEW)
    await store.apply(VIEW, [book("a", shelf="s")], 1, visible=False)
    other = another(store)

    await other.apply(VIEW, [DeleteWhere("books", "shelf", "s"), book("b")], 2)

    assert await books_of(other) == expected(book("b"))


async def test_a_deleted_row_stays_deleted_for_who_looks_through_the_alias(
    store: ElasticsearchReadStore,
) -> None:
    await store.prepare(VIEW)
    await store.apply(VIEW, [book("a"), book("b"), Delete("books", "a")], 1)

    await store.serve(VIEW)

    alias = store.indices.alias("shelf", "books")
    assert await seen(store) == {"a", "b"}
    assert await seen(store, alias) == {"b"}


async def test_the_alias_leads_to_the_view_that_serves_and_to_no_other(
    store: ElasticsearchReadStore,
) -> None:
    alias = store.indices.alias("shelf", "books")
    for view, key in ((VIEW, "old"), (NEXT, "new")):
        await store.prepare(view)
        await store.apply(view, [book(key)], 1, visible=False)
    await store.serve(VIEW)
    before = await seen(store, alias)

    for _ in range(2):
        await store.serve(NEXT)

    assert (before, await seen(store, alias)) == ({"old"}, {"new"})
    await store.serve(VIEW)
    assert await seen(store, alias) == {"old"}


async def test_tombstones_are_purged_when_nobody_can_be_that_late_any_more(
    store: ElasticsearchReadStore,
) -> None:
    await store.prepare(VIEW)
    await store.apply(VIEW, [book("a"), book("b"), Delete("books", "a")], 1)

    assert await store.purge(VIEW) == 0
    assert await store.purge(VIEW, older_than_seconds=-1) == 1
    assert await store.purge(VIEW, older_than_seconds=-1) == 1  # not refreshed: it is still found

    await store.apply(VIEW, [book("c")], 2)
    assert await seen(store) == {"b", "c"}


async def test_no_purge_takes_away_a_row_that_came_back(store: ElasticsearchReadStore) -> None:
    await store.prepare(VIEW)
    await store.apply(VIEW, [Delete("books", "a")], 1)
    await store.apply(VIEW, [book("a")], 2, visible=False)

    await store.purge(VIEW, older_than_seconds=-1)  # finds the tombstone as it was

    assert await books_of(store) == expected(book("a"))


async def test_after_an_event_was_amended_what_follows_still_counts(
    store: ElasticsearchReadStore,
) -> None:
    await store.prepare(VIEW)
    await store.apply(VIEW, [book("a", n=1), book("b", n=1)], 9)
    await store.amend(VIEW, [book("a", n=5), Delete("books", "b")], 5)
    await store.amend(VIEW, [book("a", n=7)], 7)
    amended = await books_of(store)

    await store.apply(VIEW, [book("b", n=10)], 10)

    assert amended == expected(book("a", n=7))
    assert await books_of(store) == expected(book("a", n=7), book("b", n=10))


@pytest.mark.parametrize(
    ("key", "fields"),
    [
        ("a", {"n": "one"}),
        ("a", {"n": 2**63}),
        ("a", {"n": True}),
        ("a", {"shelf": 7}),
        ("a", {"shelf": "x" * 10_000}),
        ("a", {"shelf": "\ud800"}),
        ("a", {"lent": "yes"}),
        ("a", {"at": "yesterday"}),
        ("a", {"at": datetime(1969, 12, 31, tzinfo=UTC)}),
        ("a", {"at": datetime(2026, 1, 1)}),
        ("k" * 513, {}),
        ("", {}),
    ],
    ids=lambda value: str(value)[:20],
)
async def test_of_a_batch_with_a_row_it_will_never_take_nothing_is_taken(
    store: ElasticsearchReadStore, key: str, fields: dict[str, Any]
) -> None:
    await store.prepare(VIEW)
    await store.apply(VIEW, [book("z", shelf="s")], 1)

    with pytest.raises(ChangeRejected):
        await store.apply(
            VIEW, [DeleteWhere("books", "shelf", "s"), book("y"), book(key, **fields)], 2
        )
    assert await books_of(store) == expected(book("z", shelf="s"))
    assert await store.checkpoint(VIEW) == 1

    await store.apply(VIEW, [book("y"), DeleteWhere("books", "shelf", "s")], 2)
    assert await books_of(store) == expected(book("y"))


@pytest.mark.parametrize(
    "change",
    [
        Put("books", "a", {"n": 1}),
        Put("books", "a", {**book("a").fields, "colour": "red"}),
        Put("maps", "a", {}),
        DeleteWhere("books", "text", "a"),
        DeleteWhere("books", "colour", "red"),
    ],
)
async def test_whole_rows_of_known_fields_only(
    store: ElasticsearchReadStore, change: Change
) -> None:
    await store.prepare(VIEW)

    with pytest.raises(Misconfigured):
        await store.apply(VIEW, [change], 1)


async def test_a_view_that_was_dropped_does_not_come_back_by_being_written_to(
    store: ElasticsearchReadStore,
) -> None:
    await store.prepare(VIEW)
    await store.apply(VIEW, [book("a")], 1)
    await another(store).drop(VIEW)

    with pytest.raises(CheckpointMoved):
        await store.apply(VIEW, [book("b")], 2)
    with pytest.raises(NotFoundError):
        await store.client.index(index=store.indices.name(VIEW, "books"), document={"n": 1})
    assert await store.checkpoint(VIEW) is None


async def test_a_view_that_went_back_is_noticed(store: ElasticsearchReadStore) -> None:
    await store.prepare(VIEW)
    await store.apply(VIEW, [book("a")], 7)
    other = another(store)
    await other.drop(VIEW)
    await other.prepare(VIEW)

    with pytest.raises(CheckpointMoved) as caught:
        await store.apply(VIEW, [book("b")], 8)

    assert caught.value.details["position"] == 0
    await store.apply(VIEW, [book("b")], 8)
    assert await books_of(store) == expected(book("b"))


async def test_two_logs_in_one_cluster_do_not_disturb_each_other(
    store: ElasticsearchReadStore,
) -> None:
    neighbour = ElasticsearchReadStore(
        store.client, f"{store.indices.namespace}_b", mappings=store.mappings
    )
    for one, key in ((store, "ours"), (neighbour, "theirs")):
        await one.prepare(VIEW)
        await one.apply(VIEW, [book(key)], 1)
        await one.serve(VIEW)

    await store.drop(VIEW)

    assert await store.checkpoint(VIEW) is None
    assert await books_of(neighbour) == expected(book("theirs"))
    assert await seen(neighbour, neighbour.indices.alias("shelf", "books")) == {"theirs"}
    await neighbour.drop(VIEW)


@pytest.mark.parametrize("version", NEWEST_AND_AT_NIGHT_OLDER)
async def test_the_read_model_search_is_the_same_as_in_memory(version: str) -> None:
    view, memory = View("search", 1, 1), MemoryReadStore()
    events = history_of_everything().events
    async with elasticsearch_store(version) as store:
        for one in (memory, store):
            await one.prepare(view)
            for event in events:
                await one.apply(view, search.project(event), event.position)

        found, wanted = await books_of(store, view), await books_of(memory, view)
        await store.drop(view)

    assert found == wanted
    assert len(found) == 4
