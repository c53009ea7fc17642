"""The read store in Qdrant: embeds what is new, once, and finds it for its tenant."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from aigestion.events.knowledge import DocumentRemoved
from aigestion.kernel.errors import ChangeRejected, Misconfigured, Unavailable, ViewBehind
from aigestion.projections.fingerprint import canonical
from aigestion.projections.memory_store import MemoryReadStore
from aigestion.projections.passages import passages
from aigestion.projections.progress import Progress
from aigestion.queries.passages import PassageQueries
from aigestion.readstores.port import DeleteWhere, Put, ReadStore, View
from aigestion.readstores.qdrant import embedded, points
from aigestion.readstores.qdrant.store import QdrantReadStore
from tests.support.embedder import WordEmbedder
from tests.support.history import History, document, id_of
from tests.support.qdrant_server import QdrantServer
from tests.support.tasks import patience

VIEW = View(passages.name, passages.version, 1)


@pytest.fixture
def embedder() -> WordEmbedder:
    return WordEmbedder()


@pytest.fixture(params=["embedded", "server"])
async def store(
    request: pytest.FixtureRequest, tmp_path: Path, embedder: WordEmbedder
) -> AsyncIterator[QdrantReadStore]:
    async with AsyncExitStack() as stack:
        if request.param == "embedded":
            opened = QdrantReadStore.open(tmp_path / "qdrant", embedder)
        else:
            server = stack.enter_context(QdrantServer(tmp_path / "qdrant"))
            opened = QdrantReadStore.connect(server.url, embedder)
        store = await stack.enter_async_context(opened)
        await store.prepare(VIEW)
        yield store


def passage(key: str, text: str, tenant: str = "demo", **fields: Any) -> Put:
    return Put("passages", key, {"tenant": tenant, "document_key": "d", "text": text} | fields)


async def rows_of(store: ReadStore) -> list[bytes]:
    return sorted([canonical(row) async for row in store.rows(VIEW)])


async def texts_near(store: QdrantReadStore, text: str, tenant: str = "demo") -> list[str]:
    found = await store.nearest(VIEW, "passages", text, tenant=tenant, limit=10)
    return [fields["text"] for _, fields in found]


async def test_the_nearest_meaning_comes_first_with_its_similarity(
    store: QdrantReadStore,
) -> None:
    await store.apply(
        VIEW, [passage("a", "boats leave at nine"), passage("b", "cats sleep all day")], 1
    )

    found = await store.nearest(VIEW, "passages", "cats sleep all day", tenant="demo", limit=10)

    assert [fields["text"] for _, fields in found] == ["cats sleep all day", "boats leave at nine"]
    assert found[0][0] == pytest.approx(1.0, abs=1e-6)
    assert found[1][0] < 0.9


async def test_a_tenant_finds_its_own_passages_only(store: QdrantReadStore) -> None:
    await store.apply(
        VIEW,
        [passage(f"ours{n}", "boats") for n in range(3)]
        + [passage(f"theirs{n}", "boats leave", "other") for n in range(50)],
        1,
    )

    assert await texts_near(store, "boats leave") == ["boats"] * 3
    assert await texts_near(store, "boats", "nobody") == []


async def test_the_checkpoint_is_never_found(store: QdrantReadStore) -> None:
    await store.apply(VIEW, [passage("a", "boats")], 41)

    assert await texts_near(store, "41 position checkpoint") == ["boats"]
    assert len(await rows_of(store)) == 1


async def test_a_row_without_text_needs_no_vector(
    store: QdrantReadStore, embedder: WordEmbedder
) -> None:
    await store.apply(VIEW, [Put("passages", "a", {"tenant": "demo", "n": 1})], 1)

    assert embedder.embedded == []
    assert await texts_near(store, "anything") == []
    assert len(await rows_of(store)) == 1


async def test_the_title_is_embedded_with_the_text_unless_it_begins_it(
    store: QdrantReadStore, embedder: WordEmbedder
) -> None:
    await store.apply(
        VIEW,
        [
            passage("a", "Leave at nine.", title="Boats"),
            passage("b", "Boats > Fares\n\nFree.", title="Boats"),
            passage("c", "No title."),
        ],
        1,
    )

    assert embedder.embedded == [
        "Boats\n\nLeave at nine.",
        "Boats > Fares\n\nFree.",
        "No title.",
    ]


async def test_a_passage_that_stays_is_not_embedded_again(
    store: QdrantReadStore, embedder: WordEmbedder
) -> None:
    forget = DeleteWhere("passages", "document_key", "d")
    await store.apply(
        VIEW, [passage("d/0", "one", n=0), passage("d/1", "two", n=1), passage("d/2", "three")], 1
    )
    embedder.embedded.clear()

    await store.apply(VIEW, [forget, passage("d/0", "one", n=7), passage("d/1", "changed", n=1)], 2)

    assert embedder.embedded == ["changed"]
    assert sorted(await texts_near(store, "one")) == ["changed", "one"]
    assert [r.fields["n"] async for r in store.rows(VIEW) if r.key == "d/0"] == [7]


async def test_a_passage_that_another_model_embedded_is_embedded_again(
    store: QdrantReadStore, embedder: WordEmbedder
) -> None:
    await store.apply(VIEW, [passage("a", "one")], 1)
    embedder.embedded.clear()
    embedder.model = "better words"

    await store.apply(VIEW, [passage("a", "one")], 2)

    assert embedder.embedded == ["one"]


async def test_documents_come_and_go_as_they_were_projected(store: QdrantReadStore) -> None:
    history = History()
    long = "\n\n".join(f"# Pier {n}\n\n" + f"Boat {n} leaves. " * 60 for n in range(4))
    for event in (
        document("harbour", long),
        document("museum", "# Museum\n\nOpen on Monday."),
        document("harbour", "# Harbour\n\nClosed for good."),
        document("garden", long),
        DocumentRemoved(document_id=id_of("garden")),
    ):
        history.happened(event)
    memory = MemoryReadStore()
    await memory.prepare(VIEW)

    for event in history.events:
        for one in (store, memory):
            await one.apply(VIEW, passages.project(event), event.position)
        assert await rows_of(store) == await rows_of(memory)

    assert sorted(await texts_near(store, "boat")) == [
        "Harbour\n\nClosed for good.",
        "Museum\n\nOpen on Monday.",
    ]


async def test_a_large_shard_is_indexed_and_answers_alike(
    tmp_path: Path, embedder: WordEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "OPTIMIZE_AFTER_POINTS", 100)
    async with QdrantReadStore.open(tmp_path / "qdrant", embedder) as store:
        await store.prepare(VIEW)
        await store.apply(VIEW, [passage(f"a{n}", f"word{n} boat") for n in range(90)], 1)
        before = await texts_near(store, "word7 boat")

        await store.apply(VIEW, [passage(f"b{n}", f"fish{n}") for n in range(20)], 2)

        assert (await texts_near(store, "word7 boat"))[0] == before[0] == "word7 boat"
        assert len(await rows_of(store)) == 110


async def test_a_question_is_answered_while_passages_are_embedded(
    store: QdrantReadStore, embedder: WordEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.apply(VIEW, [passage("a", "boats")], 1)
    release = asyncio.Event()
    embed = embedder.passages

    async def slowly(texts: list[str]) -> list[list[float]]:
        await release.wait()
        return await embed(texts)

    monkeypatch.setattr(embedder, "passages", slowly)
    applying = asyncio.create_task(store.apply(VIEW, [passage("a", "cats")], 2))
    await asyncio.sleep(0.05)

    meanwhile = await texts_near(store, "boats"), await store.checkpoint(VIEW)
    release.set()
    await applying

    assert meanwhile == (["boats"], 1)
    assert await texts_near(store, "boats") == ["cats"]


async def test_a_view_that_is_rebuilt_keeps_the_serving_one_moving(
    store: QdrantReadStore, embedder: WordEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    rebuilt = View(VIEW.projection, VIEW.version, 2)
    await store.prepare(rebuilt)
    release = asyncio.Event()
    embed = embedder.passages

    async def slowly_for_the_rebuild(texts: list[str]) -> list[list[float]]:
        if "old" in texts:
            await release.wait()
        return await embed(texts)

    monkeypatch.setattr(embedder, "passages", slowly_for_the_rebuild)
    rebuilding = asyncio.create_task(store.apply(rebuilt, [passage("a", "old")], 1))
    await asyncio.sleep(0.05)

    async with patience():
        await store.apply(VIEW, [passage("b", "new")], 2)

    assert await texts_near(store, "new") == ["new"]
    release.set()
    await rebuilding


async def test_an_embedder_that_fails_moves_no_checkpoint(
    store: QdrantReadStore, embedder: WordEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    embed = embedder.passages

    async def failing(texts: list[str]) -> list[list[float]]:
        raise Unavailable("no model")

    monkeypatch.setattr(embedder, "passages", failing)
    with pytest.raises(Unavailable):
        await store.apply(VIEW, [passage("a", "boats")], 1)
    monkeypatch.setattr(embedder, "passages", embed)

    assert await store.checkpoint(VIEW) == 0
    await store.apply(VIEW, [passage("a", "boats")], 1)
    assert await texts_near(store, "boats") == ["boats"]


async def test_a_projection_without_keywords_is_refused(store: QdrantReadStore) -> None:
    with pytest.raises(Misconfigured, match="keywords"):
        await store.prepare(View("unheard_of", 1, 1))


async def test_passages_are_asked_for_as_of_a_position(store: QdrantReadStore) -> None:
    progress = Progress()
    queries = PassageQueries(store, progress)
    recorded = History().happened(document("harbour", "Boats leave at nine.", title="Harbour"))
    with pytest.raises(Unavailable):
        await queries.nearest("demo", "boats", limit=3)
    await store.apply(VIEW, passages.project(recorded), 1)
    progress.advance(VIEW, 1)

    answer = await queries.nearest("demo", "When do boats leave?", limit=3)

    assert answer.position == 1
    [hit] = answer.data
    assert (hit.document_id, hit.n, hit.title) == (id_of("harbour"), 0, "Harbour")
    assert hit.text == "Boats leave at nine."
    assert 0.3 < hit.score <= 1
    assert (await queries.nearest("other", "boats", limit=3)).data == []
    with pytest.raises(ViewBehind):
        await queries.nearest("demo", "boats", limit=3, min_position=2)


async def test_documents_that_are_named_are_looked_through_alone(store: QdrantReadStore) -> None:
    progress = Progress()
    queries = PassageQueries(store, progress)
    history = History()
    texts = {"far": "The soup is hot.", "other": "It rains."}
    texts |= {f"near {n}": "Boats leave at nine." for n in range(20)}
    for name, text in texts.items():
        recorded = history.happened(document(name, text))
        await store.apply(VIEW, passages.project(recorded), recorded.position)
    progress.advance(VIEW, len(texts))

    async def found(tenant: str, *names: str) -> list[UUID]:
        documents = [id_of(name) for name in names]
        answer = await queries.nearest(tenant, "When do boats leave?", limit=3, documents=documents)
        return [hit.document_id for hit in answer.data]

    assert await found("demo", "far", "near 7") == [id_of("near 7"), id_of("far")]
    assert await found("demo", "far") == [id_of("far")]
    assert await found("demo") == []
    assert await found("other", "far") == []


async def test_a_view_dropped_under_a_question_is_unavailable(store: QdrantReadStore) -> None:
    await store.drop(VIEW)

    with pytest.raises(Unavailable, match="replaced"):
        await texts_near(store, "boats")


async def test_a_rebuilt_view_takes_over_the_vectors_that_still_fit(
    store: QdrantReadStore, embedder: WordEmbedder
) -> None:
    await store.apply(VIEW, [passage(f"k{n}", f"passage {n}") for n in range(40)], 1)
    embedder.embedded.clear()
    rebuilt = View(VIEW.projection, VIEW.version, 2)
    await store.prepare(rebuilt)

    changed = [
        passage("k0", "changed"),
        passage("k1", "passage 1", title="A title"),
        passage("new", "new"),
    ]
    puts = [passage(f"k{n}", f"passage {n}", n=n) for n in range(2, 40)]
    await store.apply(rebuilt, [*changed, *puts], 1, visible=False)
    await store.drop(VIEW)

    assert sorted(embedder.embedded) == ["A title\n\npassage 1", "changed", "new"]
    [(score, fields)] = await store.nearest(
        rebuilt, "passages", "passage 17", tenant="demo", limit=1
    )
    assert (round(score, 5), fields["text"], fields["n"]) == (1.0, "passage 17", 17)


@pytest.mark.parametrize("times", [1, 2])
async def test_vectors_of_another_model_are_not_taken_over(
    store: QdrantReadStore, embedder: WordEmbedder, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    await store.apply(VIEW, [passage("a", "one")], 1)
    embedder.embedded.clear()
    embed = embedder.passages

    async def longer(texts: list[str]) -> list[list[float]]:
        return [vector * times for vector in await embed(texts)]

    monkeypatch.setattr(embedder, "model", "better words")
    monkeypatch.setattr(embedder, "dimensions", embedder.dimensions * times)
    monkeypatch.setattr(embedder, "passages", longer)
    rebuilt = View(VIEW.projection, VIEW.version, 2)
    await store.prepare(rebuilt)

    await store.apply(rebuilt, [passage("a", "one")], 1, visible=False)

    assert embedder.embedded == ["one"]


async def test_a_row_that_no_engine_takes_is_rejected_before_anything_is_written(
    store: QdrantReadStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(points, "POINT_BYTES_MAX", 1_000)

    for bad in (
        passage("b", "x" * 1_000),
        passage("b", "boats", n=float("nan")),
        passage("b", "half a character: \ud83d"),
        DeleteWhere("passages", "meta", ["a"]),
    ):
        with pytest.raises(ChangeRejected):
            await store.apply(VIEW, [passage("a", "boats"), bad], 1)

    assert await store.checkpoint(VIEW) == 0
    assert await rows_of(store) == []


async def test_vectors_of_a_wrong_length_are_rejected(
    store: QdrantReadStore, embedder: WordEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def short(texts: list[str]) -> list[list[float]]:
        return [[1.0, 2.0]] * len(texts)

    monkeypatch.setattr(embedder, "passages", short)
    with pytest.raises(ChangeRejected, match="dim"):
        await store.apply(VIEW, [passage("a", "boats")], 1)

    assert await store.checkpoint(VIEW) == 0


async def test_nested_values_come_back_as_they_were(store: QdrantReadStore) -> None:
    nested = {"a": None, "b": [None, 1, 2.5, {"c": "ñ"}], "d": 2**53 + 1}

    await store.apply(VIEW, [passage("a", "boats", meta=nested)], 1)

    assert [row.fields["meta"] async for row in store.rows(VIEW)] == [nested]
