"""`python -m bench.replay.beside`: what a rebuild does to queries that share its event loop and its machine."""

import argparse
import asyncio
import tempfile
import time
from pathlib import Path
from uuid import UUID

import asyncpg
import uvloop
from tests.support.engines import postgres_server

from aigestion.projections.conversations import conversations
from aigestion.projections.filling import fill
from aigestion.projections.progress import Progress
from aigestion.projections.projection import Projection
from aigestion.projections.quarantine import MemoryQuarantine
from aigestion.projections.search import search
from aigestion.projections.writer import ViewWriter
from aigestion.queries.conversations import ConversationQueries
from aigestion.readstores.port import View
from aigestion.readstores.postgres.store import PostgresReadStore
from bench.hardware import hardware
from bench.replay.__main__ import Bench, opened

QUERY_PAUSE_SECONDS = 0.01
TICK_SECONDS = 0.001
PACES = (1.0, 0.3, 0.1, 0.05)
_SOME = "SELECT conversation_id FROM {view}.conversations ORDER BY key LIMIT 200"


class Beside:
    """Queries that go on all the while, and a tick that shows how long the event loop was blocked."""

    def __init__(self, queries: ConversationQueries, asked: list[UUID]) -> None:
        self._queries = queries
        self._asked = asked
        self.latencies: list[float] = []
        self.blocked: list[float] = []

    async def ask(self) -> None:
        while True:
            for conversation_id in self._asked:
                begun = time.perf_counter()
                await self._queries.transcript("demo", conversation_id)
                self.latencies.append(time.perf_counter() - begun)
                await asyncio.sleep(QUERY_PAUSE_SECONDS)

    async def tick(self) -> None:
        while True:
            begun = time.perf_counter()
            await asyncio.sleep(TICK_SECONDS)
            self.blocked.append(time.perf_counter() - begun - TICK_SECONDS)

    def told(self, what: str, events: int, seconds: float) -> str:
        latencies, blocked = sorted(self.latencies), sorted(self.blocked)
        text = f"{what:<26} {events / seconds:>9,.0f} {len(latencies):>8}"
        for share in (0.5, 0.95):
            text += f" {latencies[int(len(latencies) * share)] * 1e3:>8.2f}"
        text += f" {blocked[int(len(blocked) * 0.99)] * 1e3:>9.1f} {blocked[-1] * 1e3:>9.1f}"
        self.latencies, self.blocked = [], []
        return text


async def run(given: argparse.Namespace, url: str, directory: Path) -> None:
    async with opened(url, directory, given.events) as bench:
        store = bench.stores["lists"]
        assert isinstance(store, PostgresReadStore)
        view = View("conversations", conversations.version, 1)
        await store.prepare(view)
        position = await fill(
            ViewWriter(conversations, view, store, MemoryQuarantine()), bench.reader
        )
        progress = Progress()
        progress.advance(view, position)
        connection = await asyncpg.connect(url)
        asked = [UUID(one) for (one,) in await connection.fetch(_SOME.format(view=view.name))]
        await connection.close()
        async with asyncpg.create_pool(url, min_size=2, max_size=2) as pool:
            beside = Beside(ConversationQueries(pool, progress), asked)
            lives = [asyncio.create_task(life) for life in (beside.ask(), beside.tick())]
            print(HEADER)
            await measure(bench, beside, given.seconds)
            for life in lives:
                life.cancel()


async def measure(bench: Bench, beside: Beside, seconds: float) -> None:
    await asyncio.sleep(1)
    generation = 1
    for projection in (conversations, search):
        for pace in (None, *PACES, None):
            generation += 1
            beside.latencies.clear()
            beside.blocked.clear()
            begun, events = time.perf_counter(), 0
            if pace is None:
                await asyncio.sleep(seconds)
                what = "nothing beside"
            else:
                view = View(projection.name, projection.version, generation)
                events = await filled(bench, projection, view, pace, seconds)
                what = f"{projection.name} at pace {pace}"
            print(beside.told(what, events, time.perf_counter() - begun), flush=True)


async def filled(
    bench: Bench, projection: Projection, view: View, pace: float, seconds: float
) -> int:
    """Fill for so long; returns how far it got."""
    store = bench.stores[projection.store]
    await store.prepare(view)
    writer = ViewWriter(projection, view, store, MemoryQuarantine())
    filling = asyncio.create_task(fill(writer, bench.reader, pace=pace))
    await asyncio.wait([filling], timeout=seconds)
    filling.cancel()
    await asyncio.wait([filling])
    return await store.checkpoint(view) or 0


HEADER = (
    f"{'':<26} {'events/s':>9} {'queries':>8} {'p50 ms':>8} {'p95 ms':>8} "
    f"{'loop p99':>9} {'loop max':>9}"
)


def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m bench.replay.beside", description=__doc__)
    arguments.add_argument("--events", type=int, default=200_000, help="of the log")
    arguments.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    given = arguments.parse_args()
    print(hardware())
    with postgres_server() as url, tempfile.TemporaryDirectory() as directory:
        uvloop.run(run(given, url, Path(directory)))


if __name__ == "__main__":
    main()
