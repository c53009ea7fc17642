"""What only the search in Elasticsearch has: a moment that all pages show, and that ends."""

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from aigestion.kernel.errors import InvalidInput, Unavailable
from aigestion.projections.search import search as projection
from aigestion.queries.answer import CURSOR_CHARS_MAX, PAGE_ITEMS_MAX
from aigestion.queries.search import Question
from aigestion.queries.search_in_elasticsearch import ElasticsearchTextSearch
from aigestion.readstores.elasticsearch.store import ElasticsearchReadStore
from aigestion.readstores.port import View
from tests.support.elasticsearch import NEWEST_AND_AT_NIGHT_OLDER, elasticsearch_store
from tests.support.history import History, chat, document

VIEW = View("search", 1, 1)
EVERYTHING = Question("demo", "dense", None, None)


@pytest.fixture(params=NEWEST_AND_AT_NIGHT_OLDER)
async def store(request: Any) -> AsyncIterator[ElasticsearchReadStore]:
    async with elasticsearch_store(request.param) as store:
        await show(store, VIEW)
        yield store


@pytest.fixture
def text_search(store: ElasticsearchReadStore) -> ElasticsearchTextSearch:
    return ElasticsearchTextSearch(store)


async def show(
    store: ElasticsearchReadStore, view: View, tenant: str = "demo", *, after: int = 0
) -> None:
    history = History()
    for n in range(after):
        history.happened(chat(f"nothing {n}"), tenant="nobody")
    for n in range(3):
        history.happened(chat(f"dense {n}"), tenant=tenant)
        history.happened(document(f"d{n}", "dense words"), tenant=tenant)
    await store.prepare(view)
    for event in history.events[after:]:
        await store.apply(view, projection.project(event), event.position)


async def cursor_of(text_search: ElasticsearchTextSearch) -> str:
    cursor = (await text_search.page(VIEW, EVERYTHING, limit=2, cursor=None)).next_cursor
    assert cursor is not None
    return cursor


def opened(cursor: str) -> dict[str, Any]:
    return dict(json.loads(base64.urlsafe_b64decode(cursor + "==")))


def closed(content: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


def pit_count(stats: Any) -> int:
    """Open moments, of the whole server."""
    return sum(node["indices"]["search"]["open_contexts"] for node in stats["nodes"].values())


async def test_a_cursor_whose_moment_is_over_says_so(
    store: ElasticsearchReadStore, text_search: ElasticsearchTextSearch
) -> None:
    cursor = await cursor_of(text_search)
    await store.client.close_point_in_time(id=opened(cursor)["k"]["moment"])

    with pytest.raises(InvalidInput) as caught:
        await text_search.page(VIEW, EVERYTHING, limit=2, cursor=cursor)

    [error] = caught.value.details["errors"]
    assert error["field"] == "cursor"
    assert "too old" in error["message"]
    assert "search again" in error["message"]


async def test_a_cursor_leads_on_though_another_view_serves_meanwhile(
    store: ElasticsearchReadStore, text_search: ElasticsearchTextSearch
) -> None:
    cursor = await cursor_of(text_search)
    next_view = View("search", 1, 2)
    await store.prepare(next_view)

    page = await text_search.page(next_view, EVERYTHING, limit=9, cursor=cursor)

    assert len(page.items) == 4
    await store.drop(next_view)


@pytest.mark.parametrize(
    "change",
    [
        {"moment": "abc"},
        {"moment": "{}"},
        {"moment": ""},
        {"sort": [1.0, 1, 1]},
        {"sort": ["a", 1, 1, 1]},
        {"sort": [1.0, 2**64, 1, 1]},
    ],
    ids=str,
)
async def test_a_cursor_that_was_made_up_is_refused(
    text_search: ElasticsearchTextSearch, change: dict[str, Any]
) -> None:
    content = opened(await cursor_of(text_search))
    content["k"] |= change

    with pytest.raises(InvalidInput) as caught:
        await text_search.page(VIEW, EVERYTHING, limit=2, cursor=closed(content))

    assert caught.value.details["errors"][0]["field"] == "cursor"


async def test_a_cursor_to_something_else_in_the_cluster_shows_nothing_of_it(
    store: ElasticsearchReadStore, text_search: ElasticsearchTextSearch
) -> None:
    content = opened(await cursor_of(text_search))
    neighbour = ElasticsearchReadStore(store.client, f"{store.indices.namespace}_b")
    await show(neighbour, VIEW)
    index = neighbour.indices.name(VIEW, "messages")
    theirs = await store.client.open_point_in_time(index=index, keep_alive="1m")
    content["k"] |= {"moment": theirs.body["id"], "sort": [9.0, 99, 0, 0]}

    with pytest.raises(InvalidInput):
        await text_search.page(VIEW, EVERYTHING, limit=2, cursor=closed(content))
    await neighbour.drop(VIEW)


async def test_a_cursor_that_was_made_up_shows_nothing_of_another_tenant(
    store: ElasticsearchReadStore, text_search: ElasticsearchTextSearch
) -> None:
    other = msgspec.structs.replace(EVERYTHING, tenant="other")
    assert (await text_search.page(VIEW, other, limit=2, cursor=None)).items == []
    await show(store, VIEW, "other", after=6)
    theirs = {hit.id for hit in (await text_search.page(VIEW, other, limit=9, cursor=None)).items}
    cursor = (await text_search.page(VIEW, other, limit=1, cursor=None)).next_cursor
    assert cursor is not None
    mine = opened(await cursor_of(text_search))
    forged = closed({**opened(cursor), "k": mine["k"] | {"sort": [9.0, 99, 0, 0]}})

    found = (await text_search.page(VIEW, other, limit=9, cursor=forged)).items

    assert {hit.id for hit in found} == theirs


async def test_a_cursor_fits_where_cursors_are_taken(text_search: ElasticsearchTextSearch) -> None:
    assert len(await cursor_of(text_search)) < CURSOR_CHARS_MAX / 2


async def test_moments_are_given_back_when_there_is_no_next_page(
    store: ElasticsearchReadStore, text_search: ElasticsearchTextSearch
) -> None:
    before = pit_count((await store.client.nodes.stats(metric="indices")).body)

    for _ in range(3):
        await text_search.page(VIEW, EVERYTHING, limit=PAGE_ITEMS_MAX, cursor=None)
    cursor: str | None = None
    for _ in range(3):
        cursor = (await text_search.page(VIEW, EVERYTHING, limit=2, cursor=cursor)).next_cursor

    assert cursor is None
    assert pit_count((await store.client.nodes.stats(metric="indices")).body) == before


async def test_a_view_that_was_just_dropped_is_unavailable(
    store: ElasticsearchReadStore, text_search: ElasticsearchTextSearch
) -> None:
    await store.drop(VIEW)

    with pytest.raises(Unavailable):
        await text_search.page(VIEW, EVERYTHING, limit=2, cursor=None)
    with pytest.raises(Unavailable):
        await text_search.passages(VIEW, "demo", "dense", limit=2, documents=None)
