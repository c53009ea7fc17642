"""`python -m bench.growth`: append, read by tag and command on a log of each size, beside a short one."""

import argparse
import random
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import uvloop
from tests.support.engines import postgres_server

from aigestion.commands.conversation.post_interaction import Action, PostInteraction
from aigestion.commands.conversation.start_conversation import StartConversation
from aigestion.commands.dispatcher import Dispatcher
from aigestion.events.catalog import Catalog
from aigestion.eventstore.codec import Codec
from aigestion.eventstore.master_key import FileMasterKey
from aigestion.eventstore.pool import opened_pool
from aigestion.eventstore.postgres import PostgresBlobStore, PostgresKeyTable
from aigestion.eventstore.reader import LogReader
from aigestion.eventstore.vault import Vault
from aigestion.kernel.context import Context
from aigestion.kernel.ids import new_id
from aigestion.kernel.query import matching
from bench.append import ours
from bench.growth.load import EVENTS_OF_RUN, TENANT, grown, run_of
from bench.results import Ratio, Section, keeping, percentile, told

SIZES = (1_000_000, 10_000_000)
SHORT_EVENTS = 20 * EVENTS_OF_RUN
"""What the short log begins with, for there must be something to read; what is measured adds to both."""
SERVER = {"shared_buffers": "512MB", "max_wal_size": "2GB"}
"""As in `deploy/compose`: the server of a log of millions has more than a laptop's."""
APPENDING = 32
ROUNDS = 5
GOAL = 0.9
RATE = "appends"
LATENCIES = {"read": "read by tag", "cold": "command", "warm": "next command"}
WHO = Context(tenant=TENANT, actor="user:ana")

Seen = dict[str, list[float]]
"""Appends a second and seconds of the others, as often as they were measured."""


class Growing:
    """One log and what is measured on it."""

    def __init__(self, owner: "asyncpg.Connection", side: ours.Ours, codec: Codec) -> None:
        self._owner = owner
        self._side = side
        self._codec = codec
        self._reader = LogReader(side.store, codec)
        self._chance = random.Random(7)
        self._loaded = range(0)

    async def grow(self, events: int) -> float:
        """Let it have so many events; returns the seconds it took."""
        seconds, self._loaded = await grown(self._owner, events)
        return seconds

    async def measure(self, seconds: float, seen: Seen) -> None:
        """Append, then read and command, for so long each."""
        seen[RATE].append((await self._side.measure("tagged", APPENDING, seconds)).rate)
        await self._owner.execute("ANALYZE log.events, log.tags")  # as autovacuum does, in time
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            seen["read"].append(await _seconds(self._read()))
            cold, warm = await self._commands()
            seen["cold"].append(cold)
            seen["warm"].append(warm)

    async def _read(self) -> None:
        """A run that is whole: not one at either end of what was put in."""
        run = run_of(self._chance.choice(self._loaded[EVENTS_OF_RUN:-EVENTS_OF_RUN]))
        found = await self._reader.read(matching(f"run:{run}").scoped(TENANT))
        assert len(found) == EVENTS_OF_RUN, len(found)

    async def _commands(self) -> tuple[float, float]:
        """Seconds of a command whose state has to be read, and of the next on the same."""
        conversation_id = new_id()
        start = StartConversation(conversation_id=conversation_id, user_id="ana", agent="assistant")
        post = PostInteraction(conversation_id=conversation_id, what=Action("bench", {"n": 1}))
        await Dispatcher(self._side.store, self._codec).dispatch(start, WHO)
        fresh = Dispatcher(self._side.store, self._codec)
        return (
            await _seconds(fresh.dispatch(post, WHO)),  # reads the state first
            await _seconds(fresh.dispatch(post, WHO)),
        )


async def _seconds(work: Awaitable[object]) -> float:
    begun = time.perf_counter()
    await work
    return time.perf_counter() - begun


@asynccontextmanager
async def growing(admin_url: str, name: str, directory: Path) -> AsyncIterator[Growing]:
    """A log in a database of its own."""
    admin = await asyncpg.connect(admin_url)
    await admin.execute(f"CREATE DATABASE {name}")
    await admin.close()
    url = f"{admin_url.rpartition('/')[0]}/{name}"
    folder = directory / name
    folder.mkdir()
    owner = await asyncpg.connect(url)
    async with (
        ours.started(url, folder) as side,
        opened_pool(url.replace("postgres@", f"{ours.ROLE}@", 1), connections_max=4) as pool,
    ):
        vault = Vault(PostgresKeyTable(pool), FileMasterKey(folder / "commands.key"))
        codec = Codec(Catalog(), vault, PostgresBlobStore(pool))
        yield Growing(owner, side, codec)
    await owner.close()


async def compared(long: Growing, short: Growing, seconds: float) -> tuple[Seen, Seen]:
    """Both in turn, for the machine has moods that last for minutes."""
    of_long, of_short = _nothing_seen(), _nothing_seen()
    # What is read for the first time, and who has just started, is slower.
    await long.measure(seconds, _nothing_seen())
    await short.measure(seconds, _nothing_seen())
    for _ in range(ROUNDS):
        await long.measure(seconds, of_long)
        await short.measure(seconds, of_short)
    return of_long, of_short


async def run(url: str, directory: Path, sizes: list[int], seconds: float) -> Section:
    found: dict[int, tuple[Seen, Seen]] = {}
    loading: dict[int, float] = {}
    async with (
        growing(url, "short", directory) as short,
        growing(url, "long", directory) as long,
    ):
        await short.grow(SHORT_EVENTS)
        for size in sizes:
            loading[size] = await long.grow(size)
            found[size] = await compared(long, short, seconds)
    return section(found, loading)


def section(found: dict[int, tuple[Seen, Seen]], loading: dict[int, float]) -> Section:
    rows, ratios = [], []
    for size, (of_long, of_short) in found.items():
        rate, beside = (percentile(seen[RATE], 0.5) for seen in (of_long, of_short))
        cells = [f"{rate:,.0f}", f"{beside:,.0f}"]
        ratios.append(Ratio(f"{RATE}, {size:,} events / a short log", rate / beside, GOAL))
        for name, what in LATENCIES.items():
            late, beside = (percentile(seen[name], 0.5) * 1e3 for seen in (of_long, of_short))
            cells += [f"{late:.2f}", f"{beside:.2f}"]
            what = f"{what}: pace, {size:,} events / a short log"
            ratios.append(Ratio(what, beside / late, GOAL))
        rows.append([f"{size:,}", *cells, f"{loading[size]:.0f}"])
    return Section(
        name="growth",
        title="A log that grows",
        told=f"Appends of one event with three tags by {APPENDING} tasks; reading and opening the "
        f"{EVENTS_OF_RUN} events of one tag, chosen at random; a command whose state is read first, and "
        "the next one on the same state. Beside a short log in another database of the same server, in "
        "turn; between the sizes valid rows are put in by the server itself. fsync and all else as in "
        f"production, {', '.join(f'{name} {value}' for name, value in SERVER.items())}.",
        columns=[
            "events",
            "appends/s",
            "short log",
            *(text for what in LATENCIES.values() for text in (f"{what}, p50 ms", "short log")),
            "loaded in s",
        ],
        rows=rows,
        ratios=ratios,
    )


def _nothing_seen() -> Seen:
    return {name: [] for name in (RATE, *LATENCIES)}


def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m bench.growth", description=__doc__)
    arguments.add_argument(
        "--sizes", type=int, nargs="+", default=list(SIZES), help="of the log, rising"
    )
    arguments.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    keeping(arguments)
    given = arguments.parse_args()
    with postgres_server(SERVER) as url, tempfile.TemporaryDirectory() as directory:
        found = uvloop.run(run(url, Path(directory), sorted(given.sizes), given.seconds))
    told(found, given.keep)


if __name__ == "__main__":
    main()
