"""`python -m bench.replay`: how fast read models are filled from a long log, and what that takes."""

import argparse
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import uvloop
from tests.support.engines import postgres_server

from aigestion.bootstrap.garbage import YOUNG_OBJECTS_FILLING_MAX, settle_garbage
from aigestion.events.catalog import Catalog
from aigestion.eventstore.codec import Codec
from aigestion.eventstore.master_key import FileMasterKey
from aigestion.eventstore.migrate import migrate
from aigestion.eventstore.postgres import PostgresBlobStore, PostgresEventStore, PostgresKeyTable
from aigestion.eventstore.reader import LogReader
from aigestion.eventstore.vault import Vault
from aigestion.projections.activity import activity
from aigestion.projections.conversations import conversations
from aigestion.projections.filling import fill
from aigestion.projections.pace import PAGE_EVENTS_MAX
from aigestion.projections.projection import Projection
from aigestion.projections.quarantine import MemoryQuarantine
from aigestion.projections.search import search
from aigestion.projections.verify import verify
from aigestion.projections.writer import ViewWriter
from aigestion.readstores.clickhouse.store import ClickHouseReadStore
from aigestion.readstores.port import ReadStore, View
from aigestion.readstores.postgres.store import PostgresReadStore
from bench.hardware import hardware
from bench.replay.synthetic import write_log
from bench.results import Ratio, Section, keeping, told

ROLE = "bench_runtime"
GOALS = {"activity": 50_000, "search": 10_000}
PROJECTIONS = (activity, search, conversations)
SAMPLE_SECONDS = 0.05
LEGEND = """
read      read and open every event               project  read and project; types nobody reads stay closed
fill      what a rebuild does up to the switch     compare  fold the log again and compare every row
MiB: how far the resident memory of this process rose in the stage (ClickHouse runs inside it, Postgres does not).
Log, Postgres and this process share the machine. ✓ and ✗: the goals."""


@dataclass(frozen=True)
class Bench:
    """A log of so many events, and where read models are filled."""

    events: int
    reader: LogReader
    stores: dict[str, ReadStore]
    rows: list[list[str]]
    ratios: list[Ratio]

    async def run(self, names: list[str]) -> None:
        settle_garbage(YOUNG_OBJECTS_FILLING_MAX)  # as `projections rebuild` does
        await self.stage("read", "everything", lambda: self.read(None))
        for projection in PROJECTIONS:
            if projection.name in names:
                await self.projection(projection)

    async def projection(self, projection: Projection) -> None:
        name, store = projection.name, self.stores[projection.store]
        view = View(name, projection.version, 1)
        await self.stage("project", name, lambda: self.read(projection))
        await store.prepare(view)
        quarantine = MemoryQuarantine()
        writer = ViewWriter(projection, view, store, quarantine)
        await self.stage("fill", name, lambda: fill(writer, self.reader))
        verdict = await self.stage(
            "compare", name, lambda: verify(projection, view, store, self.reader, quarantine)
        )
        assert verdict.equal, verdict.first
        print(f"{'':>8} {verdict.found.rows:,} rows equal the fold of the log")

    async def read(self, projection: Projection | None) -> None:
        types = None if projection is None else projection.types
        async for page in self.reader.pages(0, PAGE_EVENTS_MAX, types):
            if projection is not None:
                for event in page.events:
                    projection.project(event)

    async def stage(self, stage: str, name: str, work: Callable[[], Awaitable[object]]) -> object:
        before, cpu, begun = _resident_mib(), time.process_time(), time.perf_counter()
        with _peak() as peak:
            result = await work()
        seconds = time.perf_counter() - begun
        rate = self.events / seconds
        goal = GOALS.get(name) if stage == "fill" else None
        mark = "" if goal is None else "✓" if rate >= goal else "✗"
        print(
            f"{stage:>8} {name:<14} {rate:>9,.0f}{mark:1} events/s {seconds:>7.1f} s "
            f"{(time.process_time() - cpu) / self.events * 1e6:>6.1f} µs of our CPU an event "
            f"{max(peak) - before:>6.0f} MiB",
            flush=True,
        )
        risen = f"{max(peak) - before:.0f}"
        self.rows.append([stage, name, f"{rate:,.0f}", f"{seconds:.1f}", risen])
        if goal is not None:
            self.ratios.append(Ratio(f"fill {name}: events/s / goal of {goal:,}", rate / goal, 1.0))
        return result


@contextmanager
def _peak() -> Iterator[list[float]]:
    """Samples of the resident memory while the block runs."""
    samples, done = [_resident_mib()], threading.Event()

    def sample() -> None:
        while not done.wait(SAMPLE_SECONDS):
            samples.append(_resident_mib())

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        done.set()
        thread.join()


def _resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


@asynccontextmanager
async def opened(owner_url: str, directory: Path, events: int) -> AsyncIterator[Bench]:
    """A log with so many events in it."""
    await migrate(owner_url, ROLE, None)
    url = owner_url.replace("postgres@", f"{ROLE}@", 1)
    async with asyncpg.create_pool(url, min_size=1, max_size=8) as pool:
        store, blobs = PostgresEventStore(pool, url), PostgresBlobStore(pool)
        vault = Vault(PostgresKeyTable(pool), FileMasterKey(directory / "master.key"))
        codec = Codec(Catalog(), vault, blobs)
        owner = await asyncpg.connect(owner_url)
        begun = time.perf_counter()
        await write_log(owner, codec, events)
        print(f"{events:,} events written in {time.perf_counter() - begun:.0f} s", flush=True)
        await owner.close()
        async with ClickHouseReadStore.open(directory / "clickhouse") as clickhouse:
            postgres = PostgresReadStore(pool)
            stores = {"lists": postgres, "search": postgres, "analytics": clickhouse}
            yield Bench(events, LogReader(store, codec), stores, [], [])


async def run(given: argparse.Namespace, url: str, directory: Path) -> Section:
    async with opened(url, directory, given.events) as bench:
        await bench.run(given.projection or [projection.name for projection in PROJECTIONS])
    return Section(
        name="replay",
        title="Filling read models from the log",
        told=f"A log of {given.events:,} events, a third of them sealed: reading and opening all; then for "
        "each read model reading and projecting, filling, and comparing every row with a fold of the "
        "log. Each stage's limit is the stage above it. MiB: how far the memory of the process rose.",
        columns=["stage", "read model", "events/s", "seconds", "MiB"],
        rows=bench.rows,
        ratios=bench.ratios,
    )


def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m bench.replay", description=__doc__)
    arguments.add_argument("--events", type=int, default=1_000_000, help="of the log")
    arguments.add_argument(
        "--projection",
        choices=[projection.name for projection in PROJECTIONS],
        action="append",
        help="only this one; repeatable",
    )
    keeping(arguments)
    given = arguments.parse_args()
    print(hardware())
    with postgres_server() as url, tempfile.TemporaryDirectory() as directory:
        found = uvloop.run(run(given, url, Path(directory)))
    print(LEGEND)
    told(found, given.keep)


if __name__ == "__main__":
    main()
