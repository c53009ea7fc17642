"""`python -m bench.replay.beside`: what a rebuild does to queries that share its event loop and its machine."""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Awaitable
from pathlib import Path
from uuid import UUID

import asyncpg
import uvloop
from tests.support.engines import postgres_server

from aigestion.projections.conversations import conversations
from aigestion.projections.filling import fill
from aigestion.projections.pace import ALONE, Pace
from aigestion.projections.progress import Progress
from aigestion.projections.projection import Projection
from aigestion.projections.quarantine import MemoryQuarantine
from aigestion.projections.search import search
from aigestion.projections.verify import verify
from aigestion.projections.writer import ViewWriter
from aigestion.queries.conversations import ConversationQueries
from aigestion.readstores.port import View
from aigestion.readstores.postgres.store import PostgresReadStore
from bench.hardware import hardware
from bench.replay.__main__ import Bench, opened

QUERY_PAUSE_SECONDS = 0.01
TICK_SECONDS = 0.001
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

    async def during(self, what: str, work: Awaitable[int | None]) -> None:
        """Print what queries took while this was done, and how many events it came to."""
        self.latencies, self.blocked = [], []
        begun = time.perf_counter()
        events = await work or 0
        print(self._told(what, events, time.perf_counter() - begun), flush=True)

    def _told(self, what: str, events: int, seconds: float) -> str:
        latencies, blocked = sorted(self.latencies), sorted(self.blocked)
        text = f"{what:<40} {events / seconds:>9,.0f} {len(latencies):>8}"
        for share in (0.5, 0.95):
            text += f" {latencies[int(len(latencies) * share)] * 1e3:>8.2f}"
        text += f" {blocked[int(len(blocked) * 0.99)] * 1e3:>9.1f} {blocked[-1] * 1e3:>9.1f}"
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
            await measure(bench, beside, progress, given.seconds)
            for life in lives:
                life.cancel()


async def measure(bench: Bench, beside: Beside, progress: Progress, seconds: float) -> None:
    beside_queries = Pace(lambda: progress.asked_at)
    await asyncio.sleep(1)
    generation = 1
    for projection in (conversations, search):
        store = bench.stores[projection.store]
        await beside.during("nothing beside", asyncio.sleep(seconds))
        for pace, how in ((ALONE, "as if alone"), (beside_queries, "beside queries")):
            generation += 1
            view = View(projection.name, projection.version, generation)
            await store.prepare(view)
            filling = filled(bench, projection, view, pace, seconds)
            await beside.during(f"{projection.name}, filled {how}", filling)
            comparing = compared(bench, projection, view, pace)
            await beside.during(f"{projection.name}, compared {how}", comparing)
        await beside.during("nothing beside", asyncio.sleep(seconds))


async def filled(
    bench: Bench, projection: Projection, view: View, pace: Pace, seconds: float
) -> int:
    """Fill for so long; returns how far it got."""
    store = bench.stores[projection.store]
    writer = ViewWriter(projection, view, store, MemoryQuarantine())
    filling = asyncio.create_task(fill(writer, bench.reader, pace=pace))
    await asyncio.wait([filling], timeout=seconds)
    filling.cancel()
    await asyncio.wait([filling])
    return await store.checkpoint(view) or 0


async def compared(bench: Bench, projection: Projection, view: View, pace: Pace) -> int:
    store = bench.stores[projection.store]
    verdict = await verify(projection, view, store, bench.reader, MemoryQuarantine(), pace=pace)
    assert verdict.equal, verdict
    return verdict.position


HEADER = (
    f"{'':<40} {'events/s':>9} {'queries':>8} {'p50 ms':>8} {'p95 ms':>8} "
    f"{'loop p99':>9} {'loop max':>9}"
)


def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m bench.replay.beside", description=__doc__)
    arguments.add_argument("--events", type=int, default=200_000, help="of the log")
    arguments.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    given = arguments.parse_args()
    print(hardware())
    with postgres_server() as url, tempfile.TemporaryDirectory() as directory:
        uvloop.run(run(given, url, Path(directory)))


if __name__ == "__main__":
    main()
