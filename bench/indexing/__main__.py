"""`python -m bench.indexing`: filling the search read model beside the client's `async_bulk`, same server."""

import argparse
import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from uuid import uuid4

from elasticsearch import AsyncElasticsearch
from elasticsearch.helpers import async_bulk

from aigestion.embedded.datadir import DataDir
from aigestion.embedded.elasticsearch import EmbeddedElasticsearch
from aigestion.embedded.elasticsearch_home import VERSIONS
from aigestion.readstores.elasticsearch.client import opened_elasticsearch
from aigestion.readstores.elasticsearch.store import ElasticsearchReadStore
from aigestion.readstores.port import View
from bench.hardware import hardware
from bench.indexing.load import CASES, Load, load

EVENTS_IN_BATCH = 2_000
DOCUMENTS_IN_CHUNK = 2_000
GOAL = 0.8
LEGEND = f"""
ours        ElasticsearchReadStore.apply, {EVENTS_IN_BATCH:,} events a batch, visible=False: rows checked and encoded,
            what is to be deleted by value looked up, checkpoint read and written, every outcome looked at
async_bulk  the client's helper with ready-made documents, {DOCUMENTS_IN_CHUNK:,} a chunk, the same external versions
documents/s, medians; a fresh index with the same mappings each time; ✓ and ✗: the goal, {GOAL}x"""


async def ours(store: ElasticsearchReadStore, view: View, what: Load) -> float:
    """Documents a second."""
    started = time.perf_counter()
    for start in range(0, len(what.changes), EVENTS_IN_BATCH):
        events = what.changes[start : start + EVENTS_IN_BATCH]
        changes = [change for of_event in events for change in of_event]
        await store.apply(view, changes, start + len(events), visible=False)
    return len(what.documents) / (time.perf_counter() - started)


async def theirs(client: AsyncElasticsearch, index: str, what: Load) -> float:
    """Documents a second."""
    actions = [
        {
            "_op_type": "index",
            "_index": index,
            "_id": key,
            "version": position,
            "version_type": "external",
            "_source": document,
        }
        for key, position, document in what.documents
    ]
    started = time.perf_counter()
    await async_bulk(client, actions, chunk_size=DOCUMENTS_IN_CHUNK)
    return len(what.documents) / (time.perf_counter() - started)


async def run(given: argparse.Namespace) -> None:
    async with server(given.version) as url, opened_elasticsearch(url) as client:
        store = ElasticsearchReadStore(client, f"bench{uuid4().hex[:8]}")
        generation = 0
        print(f"\n{'':>10} {'documents':>10} {'ours/s':>8} {'async_bulk/s':>13} {'ratio':>7}")
        for case in given.case or CASES:
            what = load(case, given.documents)
            rates: dict[str, list[float]] = {"ours": [], "theirs": []}
            for number in range(1 + given.rounds):  # the first warms the server up
                for side in ("ours", "theirs") if number % 2 else ("theirs", "ours"):
                    generation += 1
                    view = View("search", 1, generation)
                    await store.prepare(view)
                    index = store.indices.name(view, what.collection)
                    rate = (
                        await ours(store, view, what)
                        if side == "ours"
                        else await theirs(client, index, what)
                    )
                    await store.client.indices.refresh(index=index)
                    found = (await client.count(index=index)).body["count"]
                    assert found == len(what.documents), (side, found)
                    await store.drop(view)
                    if number:
                        rates[side].append(rate)
            mine, other = median(rates["ours"]), median(rates["theirs"])
            mark = "✓" if mine / other >= GOAL else "✗"
            ratio = f"{mine / other:.2f}{mark}"
            print(f"{case:>10} {len(what.documents):>10} {mine:>8.0f} {other:>13.0f} {ratio:>7}")


@asynccontextmanager
async def server(version: str) -> AsyncIterator[str]:
    with tempfile.TemporaryDirectory() as directory:
        data_dir = DataDir(Path(directory) / "data")
        with data_dir.locked():
            engine = EmbeddedElasticsearch(data_dir, version)
            try:
                await engine.start()
                yield engine.url
            finally:
                await engine.stop()
                shutil.rmtree(engine.folder, ignore_errors=True)


def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m bench.indexing", description=__doc__)
    arguments.add_argument("--documents", type=int, default=40_000, help="in each case")
    arguments.add_argument("--rounds", type=int, default=3, help="of each side; medians are shown")
    arguments.add_argument("--version", choices=VERSIONS, default=VERSIONS[-1])
    arguments.add_argument("--case", choices=CASES, action="append", help="only this; repeatable")
    given = arguments.parse_args()
    print(hardware("Elasticsearch"))
    asyncio.run(run(given))
    print(LEGEND)
    for case, words in CASES.items():
        print(f"{case:<12}{words}")


if __name__ == "__main__":
    main()
