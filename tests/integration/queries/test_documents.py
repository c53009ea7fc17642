"""The read model `documents`, asked."""

import pytest

from aigestion.events.knowledge import DocumentRemoved
from aigestion.kernel.errors import InvalidInput, NotFound
from aigestion.queries.documents import DocumentQueries
from tests.support.history import History, document, id_of
from tests.support.postgres_views import Views


@pytest.fixture
def queries(views: Views) -> DocumentQueries:
    return DocumentQueries(views.pool, views.progress)


def chapters(*names: str) -> str:
    return "\n\n".join(f"# {name}\n\n" + f"About the {name}. " * 60 for name in names)


async def test_a_document_comes_with_its_passages_in_order(
    views: Views, queries: DocumentQueries
) -> None:
    history = History()
    text = chapters(*(f"pier{n}" for n in range(12)))
    added = history.happened(document("harbour", text, title="Harbour"))
    await views.show(history.events)

    answer = await queries.document("demo", id_of("harbour"))

    assert answer.position == 1
    assert (answer.data.title, answer.data.media_type) == ("Harbour", "text/markdown")
    assert (answer.data.source, answer.data.bytes) == ("docs/harbour.md", len(text))
    assert answer.data.added_at == added.occurred_at
    assert len(answer.data.passages) >= 12
    first_of = [
        next(i for i, p in enumerate(answer.data.passages) if f"pier{n}" in p) for n in range(12)
    ]
    assert first_of == sorted(first_of)


async def test_a_new_text_takes_the_place_of_the_old_one(
    views: Views, queries: DocumentQueries
) -> None:
    history = History()
    history.happened(document("harbour", chapters("pier", "lighthouse")))
    history.happened(document("harbour", chapters("ferry")))
    await views.show(history.events)
    search = views.search()

    [summary] = (await queries.page("demo", limit=9)).data.items
    shown = (await queries.document("demo", id_of("harbour"))).data

    assert summary.position == shown.position == 2
    assert summary.passages == len(shown.passages)
    assert (await search.search("demo", "lighthouse", limit=9)).data.items == []
    assert (await search.search("demo", "ferry", limit=9)).data.items != []


async def test_a_removed_document_is_gone_from_every_answer(
    views: Views, queries: DocumentQueries
) -> None:
    history = History()
    history.happened(document("harbour", chapters("lighthouse")))
    history.happened(DocumentRemoved(document_id=id_of("harbour")))
    await views.show(history.events)
    search = views.search()

    with pytest.raises(NotFound):
        await queries.document("demo", id_of("harbour"))
    assert (await queries.page("demo", limit=9)).data.items == []
    assert (await search.search("demo", "lighthouse", limit=9)).data.items == []
    assert (await search.passages("demo", "lighthouse", 9)).data == []


async def test_pages_show_every_document_once_newest_first(
    views: Views, queries: DocumentQueries
) -> None:
    history = History()
    for n in range(5):
        history.happened(document(f"{n}", "Text"))
    await views.show(history.events)

    first = (await queries.page("demo", limit=3)).data
    await views.show([history.happened(document("late", "Text"))])
    second = (await queries.page("demo", limit=3, cursor=first.next_cursor)).data

    assert [one.title for one in first.items] == ["4", "3", "2"]
    assert [one.title for one in second.items] == ["1", "0"]
    assert second.next_cursor is None


async def test_a_foreign_document_is_as_unknown_as_one_that_never_was(
    views: Views, queries: DocumentQueries
) -> None:
    await views.show([History().happened(document("harbour", "Secret"), tenant="acme")])

    errors = []
    for document_id in (id_of("harbour"), id_of("never")):
        with pytest.raises(NotFound) as caught:
            await queries.document("demo", document_id)
        errors.append((str(caught.value), caught.value.details))

    assert errors[0] == errors[1]


async def test_a_limit_out_of_bounds_is_named(views: Views, queries: DocumentQueries) -> None:
    with pytest.raises(InvalidInput) as caught:
        await queries.page("demo", limit=201)

    assert caught.value.details["errors"][0]["field"] == "limit"
