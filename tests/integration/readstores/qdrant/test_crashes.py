"""Pulling the plug on a shard: nothing acknowledged is lost, nothing half-made is taken for whole."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from aigestion.kernel.errors import Unavailable
from aigestion.readstores.port import Put, View
from aigestion.readstores.qdrant.store import QdrantReadStore
from tests.support.embedder import WordEmbedder
from tests.support.processes import kill_9

ROOT = Path(__file__).parents[4]
VIEW = View("passages", 1, 1)
PUTS = [
    Put("passages", f"k{n}", {"tenant": "demo", "document_key": "d", "text": f"passage {n}"})
    for n in range(100)
]
WRITER = """
import asyncio, sys
from pathlib import Path
from aigestion.readstores.qdrant.store import QdrantReadStore
from tests.integration.readstores.qdrant.test_crashes import PUTS, VIEW
from tests.support.embedder import WordEmbedder

class Slow(WordEmbedder):
    async def passages(self, texts):
        vectors = await super().passages(texts)
        print(len(self.embedded), flush=True)
        await asyncio.sleep(0.05)
        return vectors

async def main():
    async with QdrantReadStore.open(Path(sys.argv[1]), Slow()) as store:
        await store.prepare(VIEW)
        await store.apply(VIEW, PUTS[:10], 10)
        await store.apply(VIEW, PUTS[10:], 100)
        print("applied", flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


def start(directory: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(WRITER), directory],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


async def test_kill_9_in_the_middle_of_applying_costs_what_was_not_yet_embedded(
    tmp_path: Path,
) -> None:
    writer = start(tmp_path / "shards")
    assert writer.stdout is not None
    printed = [int(writer.stdout.readline()) for _ in range(4)]
    kill_9(writer.pid)
    writer.wait()
    embedder = WordEmbedder()

    async with QdrantReadStore.open(tmp_path / "shards", embedder) as store:
        checkpoint = await store.checkpoint(VIEW)
        left = {row.key async for row in store.rows(VIEW)}
        await store.apply(VIEW, PUTS[10:], 100)
        rows = {row.key: row.fields["text"] async for row in store.rows(VIEW)}
        found = await store.nearest(VIEW, "passages", "passage 77", tenant="demo", limit=1)

    assert printed[-1] < 100
    assert checkpoint == 10
    assert 10 <= len(left) < 100
    assert len(embedder.embedded) == 100 - len(left)
    assert rows == {put.key: put.fields["text"] for put in PUTS}
    assert found[0][1]["text"] == "passage 77"


async def test_kill_9_after_applying_loses_nothing(tmp_path: Path) -> None:
    writer = start(tmp_path / "shards")
    assert writer.stdout is not None
    assert "applied\n" in iter(writer.stdout.readline, "")
    kill_9(writer.pid)
    writer.wait()

    async with QdrantReadStore.open(tmp_path / "shards", WordEmbedder()) as store:
        assert await store.checkpoint(VIEW) == 100
        assert len([row async for row in store.rows(VIEW)]) == 100


async def test_a_second_process_is_turned_away(tmp_path: Path) -> None:
    holder = start(tmp_path / "shards")
    assert holder.stdout is not None
    assert "applied\n" in iter(holder.stdout.readline, "")

    async with QdrantReadStore.open(tmp_path / "shards", WordEmbedder()) as store:
        with pytest.raises(Unavailable, match="cannot be opened"):
            await store.checkpoint(VIEW)
    kill_9(holder.pid)
    holder.wait()


async def test_a_shard_whose_making_was_interrupted_is_none(tmp_path: Path) -> None:
    draft = tmp_path / f"{VIEW.name}.new"
    draft.mkdir()
    (draft / "edge_config.json").write_text("{")

    async with QdrantReadStore.open(tmp_path, WordEmbedder()) as store:
        assert await store.checkpoint(VIEW) is None
        await store.prepare(VIEW)
        assert await store.checkpoint(VIEW) == 0
    assert not draft.exists()


async def test_a_shard_whose_removal_was_interrupted_is_none(tmp_path: Path) -> None:
    async with QdrantReadStore.open(tmp_path, WordEmbedder()) as store:
        await store.prepare(VIEW)
    (tmp_path / VIEW.name).rename(tmp_path / f"{VIEW.name}.old")

    async with QdrantReadStore.open(tmp_path, WordEmbedder()) as store:
        assert await store.checkpoint(VIEW) is None
        await store.prepare(VIEW)
        await store.drop(VIEW)
    assert os.listdir(tmp_path) == []


async def test_a_damaged_shard_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / VIEW.name).mkdir()

    async with QdrantReadStore.open(tmp_path, WordEmbedder()) as store:
        with pytest.raises(Unavailable, match="delete it"):
            await store.checkpoint(VIEW)


async def test_a_directory_that_is_gone_is_noticed(tmp_path: Path) -> None:
    async with QdrantReadStore.open(tmp_path / "shards", WordEmbedder()) as store:
        with pytest.raises(Unavailable, match="is gone"):
            await store.ping()
        await store.prepare(VIEW)
        await store.ping()
