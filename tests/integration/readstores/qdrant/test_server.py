"""A Qdrant server: shared, guarded against late writers, and away at times."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from aigestion.kernel.errors import (
    ChangeRejected,
    CheckpointMoved,
    Misconfigured,
    Unavailable,
)
from aigestion.readstores.port import DeleteWhere, Put, View
from aigestion.readstores.qdrant import connection, server
from aigestion.readstores.qdrant.server import ServerEngine
from aigestion.readstores.qdrant.store import QdrantReadStore
from tests.support.certificates import certificates
from tests.support.embedder import WordEmbedder
from tests.support.processes import kill_9
from tests.support.qdrant_server import QdrantServer

VIEW = View("passages", 1, 1)
ROOT = Path(__file__).parents[4]


@pytest.fixture
def qdrant(tmp_path: Path) -> Iterator[QdrantServer]:
    with QdrantServer(tmp_path / "qdrant") as server:
        yield server


@pytest.fixture
async def store(qdrant: QdrantServer) -> AsyncIterator[QdrantReadStore]:
    async with QdrantReadStore.connect(qdrant.url, WordEmbedder()) as store:
        await store.prepare(VIEW)
        yield store


class PausingEmbedder(WordEmbedder):
    """Stands still before it embeds, as its whole process may."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = asyncio.Event()
        self.go_on = asyncio.Event()

    async def passages(self, texts: list[str]) -> list[list[float]]:
        self.reached.set()
        await self.go_on.wait()
        return await super().passages(texts)


def passage(key: str, text: str, document: str = "d", tenant: str = "demo") -> Put:
    return Put("passages", key, {"tenant": tenant, "document_key": document, "text": text})


async def texts_of(store: QdrantReadStore, view: View = VIEW) -> dict[str, str]:
    return {row.key: row.fields["text"] async for row in store.rows(view)}


async def test_a_leader_that_was_paused_and_replaced_changes_nothing(
    qdrant: QdrantServer, store: QdrantReadStore
) -> None:
    await store.apply(VIEW, [passage("d/0", "first"), passage("d/1", "second")], 1)
    forget = DeleteWhere("passages", "document_key", "d")
    embedder = PausingEmbedder()
    async with QdrantReadStore.connect(qdrant.url, embedder) as paused:
        late = [forget, passage("d/0", "late"), passage("d/2", "late"), passage("e/0", "late", "e")]
        writing = asyncio.create_task(paused.apply(VIEW, late, 3))
        await embedder.reached.wait()

        await store.apply(VIEW, [*late, DeleteWhere("passages", "document_key", "e")], 4)
        await store.apply(VIEW, [forget, passage("d/0", "newest")], 5)
        embedder.go_on.set()
        await writing

    assert await texts_of(store) == {"d/0": "newest"}
    assert await store.checkpoint(VIEW) == 5
    [(score, fields)] = await store.nearest(VIEW, "passages", "newest", tenant="demo", limit=10)
    assert (round(score, 5), fields["text"]) == (1.0, "newest")


async def test_an_event_added_later_is_not_undone_by_a_late_writer(
    qdrant: QdrantServer, store: QdrantReadStore
) -> None:
    await store.apply(VIEW, [passage("a", "as of one")], 1)
    embedder = PausingEmbedder()
    async with QdrantReadStore.connect(qdrant.url, embedder) as paused:
        writing = asyncio.create_task(paused.apply(VIEW, [passage("a", "as of two")], 9))
        await embedder.reached.wait()
        await store.apply(VIEW, [passage("a", "as of two")], 9)
        await store.amend(VIEW, [passage("a", "set aside")], 5)
        embedder.go_on.set()
        await writing

    assert await texts_of(store) == {"a": "set aside"}


async def test_a_deleted_row_may_be_put_again(store: QdrantReadStore) -> None:
    await store.apply(VIEW, [passage("a", "boats")], 1)
    await store.apply(VIEW, [DeleteWhere("passages", "document_key", "d")], 2)
    assert await texts_of(store) == {}

    await store.apply(VIEW, [passage("a", "boats")], 3)

    assert await texts_of(store) == {"a": "boats"}
    [(score, _)] = await store.nearest(VIEW, "passages", "boats", tenant="demo", limit=2)
    assert round(score, 5) == 1.0


async def test_a_writer_whose_view_is_dropped_under_it_is_told(
    qdrant: QdrantServer, store: QdrantReadStore
) -> None:
    embedder = PausingEmbedder()
    async with QdrantReadStore.connect(qdrant.url, embedder) as paused:
        writing = asyncio.create_task(paused.apply(VIEW, [passage("a", "late")], 1))
        await embedder.reached.wait()
        await store.drop(VIEW)
        embedder.go_on.set()
        with pytest.raises(CheckpointMoved):
            await writing

    assert await store.checkpoint(VIEW) is None
    with pytest.raises(Unavailable, match="replaced"):
        await ask(qdrant)


async def ask(qdrant: QdrantServer) -> None:
    async with QdrantReadStore.connect(qdrant.url, WordEmbedder()) as another:
        await another.nearest(VIEW, "passages", "boats", tenant="demo", limit=1)


async def test_a_server_restored_to_an_older_state_is_noticed(
    qdrant: QdrantServer, store: QdrantReadStore
) -> None:
    await store.apply(VIEW, [passage("a", "boats")], 7)
    async with QdrantReadStore.connect(qdrant.url, WordEmbedder()) as another:
        await another.drop(VIEW)
        await another.prepare(VIEW)

    with pytest.raises(CheckpointMoved, match="went back from 7 to 0"):
        await store.apply(VIEW, [], 8)

    assert await store.checkpoint(VIEW) == 0
    await store.apply(VIEW, [passage("a", "boats")], 8)
    assert await texts_of(store) == {"a": "boats"}


async def test_two_logs_share_a_server(qdrant: QdrantServer) -> None:
    async with (
        QdrantReadStore.connect(qdrant.url, WordEmbedder(), namespace="one") as one,
        QdrantReadStore.connect(qdrant.url, WordEmbedder(), namespace="two") as two,
    ):
        for store, text in ((one, "boats"), (two, "cats")):
            await store.prepare(VIEW)
            await store.apply(VIEW, [passage("a", text)], 1)

        assert qdrant.collections.names() == ["one_passages_v1_g1", "two_passages_v1_g1"]
        await one.drop(VIEW)
        assert await texts_of(two) == {"a": "cats"}


async def test_a_view_whose_making_was_interrupted_is_finished(qdrant: QdrantServer) -> None:
    vectors = {"vectors": {"size": WordEmbedder.dimensions, "distance": "Cosine"}}
    qdrant.collections.create(f"aigestion_{VIEW.name}", vectors)
    async with QdrantReadStore.connect(qdrant.url, WordEmbedder()) as store:
        assert await store.checkpoint(VIEW) is None

        await asyncio.gather(*(store.prepare(VIEW) for _ in range(3)))

        assert await store.checkpoint(VIEW) == 0


async def test_everything_is_written_for_good_in_order_and_in_bounded_requests(
    qdrant: QdrantServer, store: QdrantReadStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "PAYLOAD_BYTES_IN_REQUEST_MAX", 10_000)
    rows = [Put("passages", f"k{n}", {"tenant": "demo", "n": n}) for n in range(600)]
    large = [Put("passages", f"l{n}", {"tenant": "demo", "note": "x" * 4_000}) for n in range(5)]

    await store.apply(VIEW, rows + large, 1)

    writes = [
        (q, body["points"])
        for m, p, q, body in qdrant.requests
        if (m, p[-7:]) == ("PUT", "/points")
    ]
    assert {(q["wait"], q["ordering"]) for q, _ in writes} == {("true", "strong")}
    assert max(len(points) for _, points in writes) <= server.POINTS_IN_REQUEST_MAX
    assert max(sum("note" in p["payload"] for p in points) for _, points in writes) == 2
    assert len(await keys_of(store)) == 605


async def keys_of(store: QdrantReadStore) -> list[str]:
    return [row.key async for row in store.rows(VIEW)]


async def test_an_outage_is_over_when_it_is_over(
    qdrant: QdrantServer, store: QdrantReadStore
) -> None:
    await store.apply(VIEW, [passage("a", "boats")], 1)
    await store.ping()
    qdrant.stop()
    for asked in (
        store.ping(),
        store.checkpoint(VIEW),
        store.apply(VIEW, [passage("b", "cats")], 2),
        store.nearest(VIEW, "passages", "boats", tenant="demo", limit=1),
        texts_of(store),
    ):
        with pytest.raises(Unavailable) as raised:
            await asked
        assert raised.value.details["engine"] == "qdrant"

    qdrant.start()

    await store.ping()
    await store.apply(VIEW, [passage("b", "cats")], 2)
    assert await texts_of(store) == {"a": "boats", "b": "cats"}


async def test_a_server_that_never_answers_is_not_waited_for(
    qdrant: QdrantServer, store: QdrantReadStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.checkpoint(VIEW)
    monkeypatch.setattr(connection, "TIMEOUT_SECONDS", 0.1)
    busy = qdrant.collections.get(f"aigestion_{VIEW.name}").lock
    with busy, pytest.raises(Unavailable, match="too long"):
        await store.checkpoint(VIEW)

    monkeypatch.undo()
    assert await store.checkpoint(VIEW) == 0


@pytest.mark.parametrize(
    ("status", "said", "error"),
    [
        (429, "slow down", Unavailable),
        (500, '{"status": {"error": "Service internal error"}}', Unavailable),
        (503, "no leader", Unavailable),
        (507, "disk full", Unavailable),
        (403, '{"status": {"error": "Storage locked: disk"}}', Unavailable),
        (403, "Invalid API key", Misconfigured),
        (404, "nginx", Misconfigured),
        (200, "<html>", Misconfigured),
        (200, '{"hello": "world"}', Misconfigured),
    ],
)
async def test_what_a_server_says_is_told_apart(
    qdrant: QdrantServer, store: QdrantReadStore, status: int, said: str, error: type[Exception]
) -> None:
    qdrant.answer_instead = (status, said)

    with pytest.raises(error):
        await store.ping()


async def test_a_write_that_is_turned_down_is_a_change_rejected(
    qdrant: QdrantServer, store: QdrantReadStore
) -> None:
    plain = Put("passages", "a", {"tenant": "demo"})
    await store.checkpoint(VIEW)
    engine = await ServerEngine.connect(qdrant.url, "aigestion", None, None)
    points = await engine.open(VIEW, WordEmbedder.dimensions)
    assert points is not None
    qdrant.answer_instead = (413, "Payload too large")

    with pytest.raises(ChangeRejected, match="too large"):
        await points.move_checkpoint(1)
    await engine.close()
    with pytest.raises(Misconfigured):
        await store.apply(VIEW, [plain], 1)


@pytest.mark.parametrize("key", [None, "wrong"])
async def test_a_wrong_key_is_refused_with_what_to_do(tmp_path: Path, key: str | None) -> None:
    with QdrantServer(tmp_path / "qdrant", api_key="right") as server:
        with pytest.raises(Misconfigured, match="AIGESTION_QDRANT__API_KEY"):
            async with QdrantReadStore.connect(server.url, WordEmbedder(), api_key=key):
                pass
        async with QdrantReadStore.connect(server.url, WordEmbedder(), api_key="right") as store:
            await store.prepare(VIEW)
            assert await store.checkpoint(VIEW) == 0


@pytest.mark.parametrize("url", ["localhost:6333", "ftp://qdrant", "http://", "http://host:port"])
async def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(Misconfigured, match="AIGESTION_QDRANT_URL"):
        async with QdrantReadStore.connect(url, WordEmbedder()):
            pass


async def test_a_server_that_ignores_conditions_is_too_old(qdrant: QdrantServer) -> None:
    qdrant.version = "1.15.9"

    with pytest.raises(Misconfigured, match=r"1\.15\.9.*1\.16 or newer"):
        async with QdrantReadStore.connect(qdrant.url, WordEmbedder()):
            pass


async def test_nobody_there_is_unavailable(qdrant: QdrantServer) -> None:
    qdrant.stop()
    with pytest.raises(Unavailable, match="does not answer"):
        async with QdrantReadStore.connect(qdrant.url, WordEmbedder()):
            pass


async def test_a_certificate_is_checked_against_the_ca_file(tmp_path: Path) -> None:
    files = certificates(tmp_path)
    with QdrantServer(tmp_path / "qdrant", tls=(files.certificate, files.key)) as server:
        with pytest.raises(Misconfigured, match="AIGESTION_QDRANT__CA_FILE"):
            async with QdrantReadStore.connect(server.url, WordEmbedder()):
                pass
        with pytest.raises(Misconfigured, match="CA file"):
            async with QdrantReadStore.connect(
                server.url, WordEmbedder(), ca_file=tmp_path / "absent.pem"
            ):
                pass
        async with QdrantReadStore.connect(server.url, WordEmbedder(), ca_file=files.ca) as store:
            await store.ping()


async def test_tls_with_a_server_that_has_none_is_refused(qdrant: QdrantServer) -> None:
    with pytest.raises(Misconfigured, match="No TLS"):
        async with QdrantReadStore.connect(qdrant.url.replace("http", "https"), WordEmbedder()):
            pass


async def test_an_embedder_with_longer_vectors_is_told_to_rebuild(
    qdrant: QdrantServer, store: QdrantReadStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedder = WordEmbedder()
    monkeypatch.setattr(embedder, "dimensions", 384)
    async with QdrantReadStore.connect(qdrant.url, embedder) as another:
        with pytest.raises(Misconfigured, match="256 numbers, the embedder makes 384: rebuild"):
            await another.apply(VIEW, [passage("a", "boats")], 1)


async def test_a_server_killed_while_it_is_written_to_loses_nothing_it_acknowledged(
    tmp_path: Path,
) -> None:
    process = started(tmp_path, "0")
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    async with QdrantReadStore.connect(url, WordEmbedder()) as store:
        await store.prepare(VIEW)
        for position in range(1, 30):
            await store.apply(VIEW, [passage(f"k{position}", f"text {position}")], position)
        kill_9(process.pid)
        process.wait()
        again = started(tmp_path, url.rpartition(":")[2])
        assert again.stdout is not None
        assert again.stdout.readline().strip() == url

        assert await store.checkpoint(VIEW) == 29
        await store.apply(VIEW, [passage("k30", "text 30")], 30)
        assert len(await texts_of(store)) == 30
    again.terminate()
    assert again.wait(10) == 0


def started(directory: Path, port: str) -> "subprocess.Popen[str]":
    program = [sys.executable, "-m", "tests.support.qdrant_server"]
    return subprocess.Popen(
        [*program, "--path", directory, "--port", port],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
