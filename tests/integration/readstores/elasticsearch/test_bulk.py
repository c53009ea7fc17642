"""Items of a bulk request, one by one: only what was put off is sent again, and all must be well in the end."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from aigestion.kernel.errors import ChangeRejected, CheckpointMoved, Unavailable
from aigestion.readstores.elasticsearch import bulk
from aigestion.readstores.elasticsearch.client import opened_elasticsearch
from aigestion.readstores.elasticsearch.store import ElasticsearchReadStore
from aigestion.readstores.port import Delete, DeleteWhere
from tests.integration.readstores.elasticsearch.books import NEXT, VIEW, book, books_of, expected
from tests.support.bulk_proxy import BulkProxy, bulk_proxy
from tests.support.elasticsearch import elasticsearch_url


@pytest.fixture
async def proxy() -> AsyncIterator[BulkProxy]:
    async with bulk_proxy(elasticsearch_url("9.2.4")) as proxy:
        yield proxy


@pytest.fixture
async def through(
    proxy: BulkProxy, direct: ElasticsearchReadStore, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[ElasticsearchReadStore]:
    """The store behind the proxy, its view prepared."""
    monkeypatch.setattr(bulk, "PAUSE_SECONDS_MIN", 0.001)
    async with opened_elasticsearch(proxy.url) as client:
        store = ElasticsearchReadStore(client, direct.indices.namespace, mappings=direct.mappings)
        await store.prepare(VIEW)
        yield store


@pytest.fixture
def version() -> str:
    return "9.2.4"


@pytest.fixture
def direct(store: ElasticsearchReadStore) -> ElasticsearchReadStore:
    return store


async def test_only_what_was_put_off_is_sent_again(
    proxy: BulkProxy, through: ElasticsearchReadStore, direct: ElasticsearchReadStore
) -> None:
    proxy.plan = [{"b": 429, "c": 503}, {"c": 429}]

    await through.apply(VIEW, [book("a"), book("b"), book("c")], 1)

    assert proxy.bulks == [["a", "b", "c"], ["b", "c"], ["c"]]
    assert await books_of(direct) == expected(book("a"), book("b"), book("c"))
    assert await direct.checkpoint(VIEW) == 1


async def test_put_off_too_often_the_checkpoint_stays_and_the_next_try_brings_it_all(
    proxy: BulkProxy, through: ElasticsearchReadStore, direct: ElasticsearchReadStore
) -> None:
    changes = [book("a", shelf="s"), DeleteWhere("books", "shelf", "s"), book("b")]
    proxy.always = {"b": 429}

    with pytest.raises(Unavailable) as caught:
        await through.apply(VIEW, changes, 1)

    assert caught.value.details["engine"] == "elasticsearch"
    assert proxy.bulks == [["a", "b"], *[["b"]] * (bulk.TRIES_MAX - 1)]
    assert await direct.checkpoint(VIEW) == 0
    proxy.always = {}
    await through.apply(VIEW, changes, 1)
    assert await books_of(direct) == expected(book("b"))
    assert await direct.checkpoint(VIEW) == 1


@pytest.mark.parametrize(
    ("status", "error"), [(400, ChangeRejected), (404, CheckpointMoved), (403, Unavailable)]
)
async def test_what_is_refused_for_good_is_not_sent_again(
    proxy: BulkProxy,
    through: ElasticsearchReadStore,
    direct: ElasticsearchReadStore,
    status: int,
    error: type[Exception],
) -> None:
    proxy.plan = [{"b": status}]

    with pytest.raises(error):
        await through.apply(VIEW, [book("a"), book("b")], 1)

    assert proxy.bulks == [["a", "b"]]
    assert await direct.checkpoint(VIEW) == 0


async def test_large_batches_travel_in_parts(
    proxy: BulkProxy, through: ElasticsearchReadStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "REQUEST_BYTES_MAX", 1_000)
    monkeypatch.setattr(bulk, "REQUEST_ITEMS_MAX", 3)
    puts = [book(f"k{n}") for n in range(4)] + [book("long", text="x" * 2_000), book("last")]

    await through.apply(VIEW, puts, 1)

    assert sorted(proxy.bulks) == [["k0", "k1", "k2"], ["k3"], ["last"], ["long"]]


async def test_what_is_too_large_for_something_on_the_way_travels_in_halves(
    proxy: BulkProxy, through: ElasticsearchReadStore, direct: ElasticsearchReadStore
) -> None:
    proxy.bytes_max = 300
    puts = [book(key, text="x" * 100) for key in "abc"]

    await through.apply(VIEW, puts, 1)

    assert proxy.bulks == [["a", "b", "c"], ["a"], ["b", "c"], ["b"], ["c"]]
    assert await books_of(direct) == expected(*puts)
    with pytest.raises(ChangeRejected, match="too large"):
        await through.apply(VIEW, [book("d", text="x" * 1_000)], 2)
    assert await direct.checkpoint(VIEW) == 1


async def test_a_writer_that_stood_still_changes_nothing_when_it_goes_on(
    proxy: BulkProxy, through: ElasticsearchReadStore, direct: ElasticsearchReadStore
) -> None:
    await through.apply(VIEW, [book("kept", n=0)], 1)
    late = [book("kept", n=2), book("passing", n=2), book("deleted", n=2)]
    proxy.passing.clear()
    standing_still = asyncio.create_task(through.apply(VIEW, late, 2))
    while len(proxy.bulks) < 2:
        await asyncio.sleep(0.01)

    await direct.apply(VIEW, [*late, book("kept", n=3), Delete("books", "passing")], 3)
    await direct.apply(VIEW, [DeleteWhere("books", "n", 2)], 4)
    proxy.passing.set()
    await standing_still

    assert await books_of(direct) == expected(book("kept", n=3))
    assert await direct.checkpoint(VIEW) == 4
    await through.apply(VIEW, [DeleteWhere("books", "n", 3), book("more")], 5)
    assert await books_of(direct) == expected(book("more"))


async def test_a_rebuild_in_which_everything_is_deleted_first_refreshes_once(
    proxy: BulkProxy, through: ElasticsearchReadStore, direct: ElasticsearchReadStore
) -> None:
    def edition(shelf: int, pages: int) -> list[object]:
        return [
            DeleteWhere("books", "shelf", f"s{shelf}"),
            *(book(f"s{shelf}/{n}", shelf=f"s{shelf}", n=pages) for n in range(pages)),
        ]

    for position in range(1, 31):
        changes = edition(position % 7, 1 + position % 3)
        await through.apply(VIEW, changes, position, visible=False)  # type: ignore[arg-type]

    assert sum(path.endswith("/_refresh") for path in proxy.paths) == 1
    last = {position % 7: 1 + position % 3 for position in range(1, 31)}
    wanted = [
        book(f"s{shelf}/{n}", shelf=f"s{shelf}", n=pages)
        for shelf, pages in last.items()
        for n in range(pages)
    ]
    assert await books_of(direct) == expected(*wanted)


async def test_more_than_can_be_remembered_is_made_visible_instead(
    proxy: BulkProxy,
    through: ElasticsearchReadStore,
    direct: ElasticsearchReadStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("aigestion.readstores.elasticsearch.store.ROWS_MAX", 5)
    for position in range(1, 11):
        changes = [DeleteWhere("books", "shelf", "s"), book(f"k{position}", shelf="s")]
        await through.apply(VIEW, changes, position, visible=False)

    assert 1 < sum(path.endswith("/_refresh") for path in proxy.paths) < 10
    assert await books_of(direct) == expected(book("k10", shelf="s"))


async def test_a_server_that_goes_away_is_unavailable_and_comes_back_by_itself(
    proxy: BulkProxy, through: ElasticsearchReadStore, direct: ElasticsearchReadStore
) -> None:
    proxy.lose_the_server(True)

    for attempt in (
        through.ping(),
        through.checkpoint(VIEW),
        through.apply(VIEW, [book("a")], 1),
        anext(through.rows(VIEW)),
        through.prepare(NEXT),
        through.serve(VIEW),
        through.drop(VIEW),
    ):
        with pytest.raises(Unavailable) as caught:
            await attempt
        assert caught.value.details["engine"] == "elasticsearch"

    proxy.lose_the_server(False)
    await through.apply(VIEW, [book("a")], 1)
    assert await books_of(direct) == expected(book("a"))
