"""Full text in English and Spanish at once."""

import re

import pytest

from aigestion.events.conversation import UserAction
from aigestion.kernel.errors import InvalidInput
from aigestion.queries.search import Hit, SearchQueries
from tests.support.history import History, chat, document, id_of, started
from tests.support.postgres_views import Views

ENGLISH = "A position is dense when the log has no holes."
SPANISH = "Una posición es densa cuando el registro no tiene huecos."


@pytest.fixture
def queries(views: Views) -> SearchQueries:
    return views.search()


async def said(views: Views, *texts: str) -> History:
    history = History()
    history.happened(started(title="Boats"))
    for text in texts:
        history.happened(chat(text))
    await views.show(history.events)
    return history


async def found(queries: SearchQueries, q: str, tenant: str = "demo") -> list[Hit]:
    return (await queries.search(tenant, q, limit=50)).data.items


def marks(hit: Hit) -> list[str]:
    return re.findall("<mark>(.*?)</mark>", hit.highlight)


@pytest.mark.parametrize(
    ("q", "text", "marked"),
    [
        ("dense positions", ENGLISH, ["position", "dense"]),
        ("DENSE", ENGLISH, ["dense"]),
        ("posiciones densas", SPANISH, ["posición", "densa"]),
        ("posicion densa", SPANISH, ["posición", "densa"]),
        ("hueco", SPANISH, ["huecos"]),
        ("the holes", ENGLISH, ["holes"]),
        ('"no holes"', ENGLISH, ["no", "holes"]),
        ("holes or huecos", ENGLISH, ["holes"]),
        ("informacion", "Toda la información útil", ["información"]),
        ("información", "toda la informacion util", ["informacion"]),
        ("qué", "¿Qué “ferry”—grande…🙂? ¡Día!", ["Qué"]),
        ("ferry", "¿Qué “ferry”—grande…🙂? ¡Día!", ["ferry"]),
        ("dia GRANDE", "¿Qué “ferry”—grande…🙂? ¡DÍA!", ["grande", "DÍA"]),
        ("invoice", "see List<Invoice> & co", ["Invoice"]),
    ],
)
async def test_words_are_found_in_either_language_and_marked(
    views: Views, queries: SearchQueries, q: str, text: str, marked: list[str]
) -> None:
    await said(views, text, "Something else altogether.")

    hits = await found(queries, q)

    assert len(hits) == 1
    if q == '"no holes"':
        assert "holes" in marks(hits[0])
    else:
        assert marks(hits[0]) == marked


@pytest.mark.parametrize("q", ["ferry", '"dense log"', "position -dense", "posición barco"])
async def test_what_was_not_asked_for_is_not_found(
    views: Views, queries: SearchQueries, q: str
) -> None:
    await said(views, ENGLISH, SPANISH)

    assert await found(queries, q) == []


@pytest.mark.parametrize("q", ["ticket.bought", "bought", "tickets", "Horta", "seats 2"])
async def test_what_a_user_did_is_found_by_its_name_and_its_properties(
    views: Views, queries: SearchQueries, q: str
) -> None:
    history = History()
    history.happened(started(title="Boats"))
    action = history.happened(
        UserAction(
            conversation_id=id_of("harbour"), user_id="ana", agent="assistant",
            name="ticket.bought", properties={"seats": 2, "from": {"harbour": "Horta"}},
        )
    )  # fmt: skip
    history.happened(chat("Something else."))
    await views.show(history.events)

    [hit] = await found(queries, q)

    assert (hit.kind, hit.id) == ("message", str(action.id))
    assert marks(hit)


async def test_a_message_and_a_passage_are_told_apart(views: Views, queries: SearchQueries) -> None:
    history = History()
    history.happened(started(title="Boats"))
    message = history.happened(chat(ENGLISH))
    added = history.happened(document("Log", SPANISH + "\n\n" + ENGLISH))
    await views.show(history.events)

    hits = {hit.kind: hit for hit in await found(queries, "dense position")}

    assert hits["message"].id == str(message.id)
    assert hits["message"].conversation_id == id_of("harbour")
    assert (hits["message"].title, hits["message"].document_id) == ("Boats", None)
    assert (hits["message"].position, hits["message"].occurred_at) == (2, message.occurred_at)
    assert hits["document"].id == f"{id_of('Log')}/0"
    assert (hits["document"].document_id, hits["document"].passage) == (id_of("Log"), 0)
    assert (hits["document"].title, hits["document"].conversation_id) == ("Log", None)
    assert (hits["document"].position, hits["document"].occurred_at) == (3, added.occurred_at)


async def test_filters_narrow_the_search(views: Views, queries: SearchQueries) -> None:
    history = History()
    for name in ("one", "two"):
        history.happened(started(name))
        history.happened(chat(ENGLISH, name))
    history.happened(document("Log", ENGLISH))
    await views.show(history.events)

    everything = await queries.search("demo", "dense", limit=9)
    messages = await queries.search("demo", "dense", kind="message", limit=9)
    documents = await queries.search("demo", "dense", kind="document", limit=9)
    one = await queries.search("demo", "dense", conversation_id=id_of("one"), limit=9)

    assert len(everything.data.items) == 3
    assert [hit.kind for hit in messages.data.items] == ["message", "message"]
    assert [hit.kind for hit in documents.data.items] == ["document"]
    assert [hit.conversation_id for hit in one.data.items] == [id_of("one")]


async def test_another_tenants_texts_change_neither_hits_nor_scores(
    views: Views, queries: SearchQueries
) -> None:
    history = await said(views, ENGLISH, "dense dense ferry", "a ferry that is full of holes")
    history.happened(document("Log", "dense ferry"))
    await views.show(history.events[-1:])
    alone = await found(queries, "dense or ferry")
    theirs = [chat("dense " * 3, "theirs"), document("Log", "ferry ferry"), chat("ferry", "theirs")]
    for event in theirs:
        history.happened(event, tenant="other")

    await views.show(history.events[-len(theirs) :])

    assert await found(queries, "dense or ferry") == alone
    assert len(alone) == 4
    assert len(await found(queries, "dense or ferry", tenant="other")) == 3


async def test_a_highlight_is_safe_html_whatever_was_written(
    views: Views, queries: SearchQueries
) -> None:
    await said(
        views, "<script>alert('dense')</script> & <mark>no</mark> \ue000dense\ue001 <dense/>"
    )

    [hit] = await found(queries, "dense")

    assert marks(hit) == ["dense", "dense", "dense"]
    escaped = hit.highlight.replace("<mark>", "").replace("</mark>", "")
    assert "<" not in escaped
    assert escaped.startswith(
        "&lt;script&gt;alert(&#x27;dense&#x27;)&lt;/script&gt; &amp; &lt;mark&gt;"
    )


async def test_a_long_text_is_shown_where_the_words_are(
    views: Views, queries: SearchQueries
) -> None:
    await said(views, "filler " * 500 + "the ferry leaves " + "filler " * 500)

    [hit] = await found(queries, "ferry")

    assert marks(hit) == ["ferry"]
    assert hit.highlight.startswith("…")
    assert hit.highlight.endswith("…")
    assert len(hit.highlight) < 300


async def test_a_word_far_into_a_very_long_text_is_found_though_not_shown(
    views: Views, queries: SearchQueries
) -> None:
    await said(views, "día " * 6_000 + "the ferry leaves")

    [hit] = await found(queries, "ferry")
    [other] = await found(queries, "ferry dia")

    assert marks(hit) == []
    assert hit.highlight.startswith("día día")
    assert hit.highlight.endswith("…")
    assert marks(other)[0] == "día"


async def test_the_better_match_comes_first(views: Views, queries: SearchQueries) -> None:
    await said(views, "the ferry, once", "ferry ferry ferry", "no boat")

    hits = await found(queries, "ferry")

    assert [hit.highlight.count("<mark>") for hit in hits] == [3, 1]
    assert hits[0].score > hits[1].score


@pytest.mark.parametrize("limit", [1, 2, 3, 50])
async def test_pages_show_every_hit_once_though_more_come_meanwhile(
    views: Views, queries: SearchQueries, limit: int
) -> None:
    history = History()
    for n in range(5):
        history.happened(chat("dense " * (n % 3 + 1)))
        history.happened(document(f"d{n}", "dense words"))
    await views.show(history.events)
    whole = [hit.id for hit in (await queries.search("demo", "dense", limit=50)).data.items]

    seen: list[str] = []
    cursor = None
    for _ in range(11):
        page = (await queries.search("demo", "dense", limit=limit, cursor=cursor)).data
        seen += [hit.id for hit in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
        await views.show([history.happened(chat("dense " * 9))])

    assert seen == whole
    assert len(seen) == 10


async def test_a_cursor_belongs_to_its_question(views: Views, queries: SearchQueries) -> None:
    await said(views, ENGLISH, ENGLISH)
    cursor = (await queries.search("demo", "dense", limit=1)).data.next_cursor
    assert cursor is not None

    for q, kind in (("position", None), ("dense", "message")):
        with pytest.raises(InvalidInput) as caught:
            await queries.search("demo", q, kind=kind, limit=1, cursor=cursor)  # type: ignore[arg-type]
        assert caught.value.details["errors"][0]["field"] == "cursor"


@pytest.mark.parametrize("q", ["", "  ", "a\0b", "\ud800", "x" * 1001])
async def test_a_question_that_is_none_is_named(
    views: Views, queries: SearchQueries, q: str
) -> None:
    await said(views, ENGLISH)

    with pytest.raises(InvalidInput) as caught:
        await queries.search("demo", q, limit=1)

    assert caught.value.details["errors"][0]["field"] == "q"


@pytest.mark.parametrize(
    "q",
    [
        "'",
        '"',
        "a & | ! <-> :*",
        "\\",
        "' OR 1=1 --",
        "🙂",
        "{view}",
        "%s $1",
        "-",
        "(((",
        "\ue000",
    ],
)
async def test_no_question_is_an_error_for_its_signs(
    views: Views, queries: SearchQueries, q: str
) -> None:
    await said(views, ENGLISH)

    assert await found(queries, q) == []
    await queries.passages("demo", q, 5)


async def test_position_is_what_both_read_models_reflect(
    views: Views, queries: SearchQueries
) -> None:
    history = await said(views, ENGLISH)
    view, position = await views.progress.at_least("conversations")
    views.progress.advance(view, position + 5)

    answer = await queries.search("demo", "dense", limit=1)

    assert answer.position == history.head
