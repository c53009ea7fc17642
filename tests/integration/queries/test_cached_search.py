"""Search with a cache before it: asked once a position, never across tenants, titles always fresh."""

from collections.abc import AsyncIterator

import pytest

from aigestion.kernel.errors import InvalidInput
from aigestion.kernel.ids import new_id
from aigestion.queries.answer import Page
from aigestion.queries.conversations import ConversationQueries
from aigestion.queries.search import Hit, Question, SearchQueries
from aigestion.queries.search_in_postgres import PostgresTextSearch
from aigestion.readcache.cached import Cached
from aigestion.readcache.memory import MemoryReadCache
from aigestion.readcache.valkey import ValkeyReadCache
from aigestion.readstores.port import View
from aigestion.valkey.client import opened_valkey
from tests.support.history import History, chat, started
from tests.support.postgres_views import Views


class Counted(PostgresTextSearch):
    """Counts how often it is asked."""

    asked = 0

    async def page(
        self, view: View, question: Question, *, limit: int, cursor: str | None
    ) -> Page[Hit]:
        self.asked += 1
        return await super().page(view, question, limit=limit, cursor=cursor)


@pytest.fixture(params=["memory", "valkey"])
async def cached(request: pytest.FixtureRequest) -> AsyncIterator[Cached]:
    if request.param == "memory":
        yield Cached(MemoryReadCache())
        return
    async with opened_valkey(request.getfixturevalue("valkey_url")) as client:
        yield Cached(ValkeyReadCache(client, namespace=new_id().hex))


@pytest.fixture
def store(views: Views) -> Counted:
    return Counted(views.pool)


@pytest.fixture
def queries(views: Views, store: Counted, cached: Cached) -> SearchQueries:
    conversations = ConversationQueries(views.pool, views.progress)
    return SearchQueries(store, conversations, views.progress, cached)


@pytest.fixture
async def history(views: Views) -> History:
    history = History()
    history.happened(started(title="Boats"))
    for number in range(3):
        history.happened(chat(f"ferry {number}"))
    history.happened(started("theirs", title="Stolen"), tenant="acme")
    history.happened(chat("their ferry", "theirs"), tenant="acme")
    await views.show(history.events)
    return history


async def test_the_same_search_at_the_same_position_is_made_once(
    queries: SearchQueries, store: Counted, history: History
) -> None:
    first = await queries.search("demo", "ferry", limit=2)
    second = await queries.search("demo", "ferry", limit=2)

    assert store.asked == 1
    assert second == first
    assert len(first.data.items) == 2


async def test_a_new_position_is_a_new_answer(
    queries: SearchQueries, store: Counted, history: History, views: Views
) -> None:
    before = await queries.search("demo", "ferry", limit=9)
    news = history.happened(chat("another ferry"))
    await views.show([news])

    after = await queries.search("demo", "ferry", limit=9)

    assert (len(before.data.items), len(after.data.items)) == (3, 4)
    assert after.position == before.position + 1 == history.head


async def test_the_same_words_of_another_tenant_are_another_search(
    queries: SearchQueries, store: Counted, history: History
) -> None:
    ours = (await queries.search("demo", "ferry", limit=9)).data.items
    theirs = (await queries.search("acme", "ferry", limit=9)).data.items
    nobodys = (await queries.search("nobody", "ferry", limit=9)).data.items

    assert store.asked == 3
    assert {hit.title for hit in ours} == {"Boats"}
    assert [hit.title for hit in theirs] == ["Stolen"]
    assert nobodys == []


async def test_every_filter_and_page_is_a_search_of_its_own(
    queries: SearchQueries, store: Counted, history: History
) -> None:
    (first,) = (page := (await queries.search("demo", "ferry", limit=1)).data).items
    rest = [
        await queries.search("demo", "ferry", limit=1, cursor=page.next_cursor),
        await queries.search("demo", "ferry", limit=2),
        await queries.search("demo", "ferry", limit=1, kind="document"),
        await queries.search("demo", "ferry", limit=1, conversation_id=new_id()),
        await queries.search("demo", "ferri", limit=1),
    ]

    assert store.asked == 6
    assert [[hit.id == first.id for hit in one.data.items] for one in rest] == [
        [False],
        [True, False],
        [],
        [],
        [True],
    ]


async def test_titles_are_of_now(queries: SearchQueries, history: History, views: Views) -> None:
    await queries.search("demo", "ferry", limit=1)
    view = next(one.view for one in views.progress.status() if one.projection == "conversations")
    assert view is not None
    await views.pool.execute(f"UPDATE {view.name}.conversations SET title = 'Ships'")

    (hit,) = (await queries.search("demo", "ferry", limit=1)).data.items

    assert hit.title == "Ships"


async def test_a_refused_search_is_not_remembered(
    queries: SearchQueries, store: Counted, history: History
) -> None:
    for _ in range(2):
        with pytest.raises(InvalidInput):
            await queries.search("demo", "ferry", limit=1, cursor="nonsense")

    assert store.asked == 2
