"""Passages for agents: whole questions, in the user's words."""

import sys

import pytest

from aigestion.queries.search import SearchQueries
from tests.support.history import History, document, id_of
from tests.support.postgres_views import Views

DOCUMENTS = {
    "Dense positions": "A position is dense when there are no holes: 1, 2, 3 and so on.",
    "Relay": "The relay sends what is new to the broker, one position after the other.",
    "Kitchen": "What is the soup of the day? It is what the cook says it is.",
    "Posiciones densas": "Una posición es densa cuando no hay huecos entre ella y la anterior.",
    "Cocina": "¿Qué es la sopa del día? Es una sopa que hace el cocinero.",
}


@pytest.fixture
async def queries(views: Views) -> SearchQueries:
    history = History()
    for title, text in DOCUMENTS.items():
        history.happened(document(title, text))
    await views.show(history.events)
    return views.search()


async def titles(queries: SearchQueries, q: str, limit: int = 10) -> list[str]:
    return [hit.title for hit in (await queries.passages("demo", q, limit)).data]


async def test_a_question_finds_what_shares_words_with_it_best_first(
    queries: SearchQueries,
) -> None:
    found = await titles(queries, "what is a dense position?")

    assert found[0] == "Dense positions"
    assert "Relay" in found[1:]


async def test_stop_words_of_either_language_find_nothing(queries: SearchQueries) -> None:
    assert "Kitchen" not in await titles(queries, "what is a dense position?")
    assert "Cocina" not in await titles(queries, "¿qué es una posición densa?")


@pytest.mark.parametrize("q", ["¿qué es una posición densa?", "que es una posicion densa"])
async def test_a_spanish_question_finds_spanish_passages_first(
    queries: SearchQueries, q: str
) -> None:
    assert (await titles(queries, q))[0] == "Posiciones densas"


async def test_a_question_of_stop_words_alone_is_taken_at_its_word(queries: SearchQueries) -> None:
    assert "Kitchen" in await titles(queries, "what is it?")


async def test_a_rare_word_counts_more_than_a_common_one(views: Views) -> None:
    history = History()
    for n in range(20):
        history.happened(document(f"common {n}", "ferry ferry ferry harbour"))
    history.happened(document("rare", "There is a lighthouse far away."))
    await views.show(history.events)
    queries = views.search()

    assert (await titles(queries, "ferry lighthouse"))[0] == "rare"


async def test_a_word_that_most_passages_have_is_not_looked_up_but_still_counts(
    views: Views, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = sys.modules[type(views.text_search).__module__]
    monkeypatch.setattr(adapter, "COMMON_PASSAGES_MIN", 3)
    history = History()
    for n in range(9):
        history.happened(document(f"common {n}", "a ferry"))
    history.happened(document("both", "a lighthouse, a ferry"))
    history.happened(document("one", "a lighthouse, a boat"))
    await views.show(history.events)
    queries = views.search()

    assert await titles(queries, "ferry lighthouse") == ["both", "one"]
    assert len(await titles(queries, "ferry")) == 10


async def test_another_tenants_passages_change_no_score(views: Views) -> None:
    history = History()
    for title, text in DOCUMENTS.items():
        history.happened(document(title, text))
    await views.show(history.events)
    question = "which position has no holes, una posición?"
    alone = (await views.search().passages("demo", question, 9)).data
    for n in range(20):
        history.happened(document(f"theirs {n}", "position position holes"), tenant="other")

    await views.show(history.events[len(DOCUMENTS) :])

    assert (await views.search().passages("demo", question, 9)).data == alone
    assert len(alone) > 2


async def test_documents_that_are_named_are_looked_through_as_if_there_were_no_others(
    views: Views,
) -> None:
    history = History()
    for title, text in DOCUMENTS.items():
        history.happened(document(title, text))
    for n in range(50):
        history.happened(document(f"nearer {n}", "position holes position holes"))
    for title in ("Relay", "Kitchen"):
        history.happened(document(title, DOCUMENTS[title]), tenant="alone")
    await views.show(history.events)
    queries = views.search()
    question = "which position has the relay, which the cook?"
    named = [id_of("Relay"), id_of("Kitchen")]

    assert "Relay" not in await titles(queries, "which position?", 5)
    hits = (await queries.passages("demo", question, 5, documents=named)).data

    assert {hit.title for hit in hits} == {"Relay", "Kitchen"}
    assert hits == (await queries.passages("alone", question, 5)).data
    assert (await queries.passages("demo", question, 5, documents=[])).data == []
    assert (await queries.passages("other", question, 5, documents=named)).data == []


async def test_no_more_passages_than_asked_for(queries: SearchQueries) -> None:
    assert len(await titles(queries, "position posición", limit=2)) == 2


@pytest.mark.parametrize("q", ["", "?", "a\0dense\0position", "dense " * 5_000, "\\'" * 50])
async def test_any_text_is_a_question(queries: SearchQueries, q: str) -> None:
    found = await titles(queries, q)

    assert ("Dense positions" in found) == ("dense" in q)


async def test_a_passage_comes_with_its_document_and_number(queries: SearchQueries) -> None:
    answer = await queries.passages("demo", "holes", 1)

    [hit] = answer.data
    assert (hit.title, hit.n) == ("Dense positions", 0)
    assert "no holes" in hit.text
    assert hit.score > 0
    assert answer.position == len(DOCUMENTS)
