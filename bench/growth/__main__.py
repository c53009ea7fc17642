"""`python -m bench.growth`: append, read by tag and command on a log of each size, in one run on one server."""

import argparse
import random
import tempfile
import time
from collections.abc import Awaitable
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
from aigestion.eventstore.postgres import PostgresBlobStore, PostgresEventStore, PostgresKeyTable
from aigestion.eventstore.reader import LogReader
from aigestion.eventstore.vault import Vault
from aigestion.kernel.context import Context
from aigestion.kernel.ids import new_id
from aigestion.kernel.query import matching
from bench.append import ours
from bench.growth.load import EVENTS_OF_RUN, TENANT, grown, run_of
from bench.results import Ratio, Section, keeping, percentile, told

SIZES = (0, 1_000_000, 10_000_000)
SEED_EVENTS = 20 * EVENTS_OF_RUN
"""A log of size 0 has these, for there must be something to read."""
APPENDING = 32
ROUNDS = 3
GOAL = 0.9
NAMES = {"read": "read by tag", "cold": "command", "warm": "next command"}
WHO = Context(tenant=TENANT, actor="user:ana")


class Growing:
    """One log and what is measured on it."""

    def __init__(
        self,
        owner: "asyncpg.Connection",
        side: ours.Ours,
        store: PostgresEventStore,
        codec: Codec,
    ) -> None:
        self._owner = owner
        self._side = side
        self._store = store
        self._codec = codec
        self._reader = LogReader(store, codec)
        self._chance = random.Random(7)
        self._loaded = range(0)

    async def measured(self, size: int, seconds: float) -> dict[str, float]:
        """Appends a second, and milliseconds of the others."""
        loading, loaded = await grown(self._owner, max(size, SEED_EVENTS))
        self._loaded = loaded or self._loaded
        await self._side.measure("tagged", APPENDING, min(1.0, seconds))
        rates, seen = [], {"read": list[float](), "cold": list[float](), "warm": list[float]()}
        for _ in range(ROUNDS):
            await self._owner.execute("CHECKPOINT")
            rates.append((await self._side.measure("tagged", APPENDING, seconds)).rate)
            await self._owner.execute("ANALYZE log.events, log.tags")  # as autovacuum does, in time
            end = time.perf_counter() + seconds
            while time.perf_counter() < end:
                seen["read"].append(await _seconds(self._read()))
                cold, warm = await self._commands()
                seen["cold"].append(cold)
                seen["warm"].append(warm)
        found = {name: percentile(values, 0.5) * 1e3 for name, values in seen.items()}
        return found | {"appends": percentile(rates, 0.5), "loading": loading}

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
        await Dispatcher(self._store, self._codec).dispatch(start, WHO)
        fresh = Dispatcher(self._store, self._codec)
        return (
            await _seconds(fresh.dispatch(post, WHO)),  # reads the state first
            await _seconds(fresh.dispatch(post, WHO)),
        )


async def _seconds(work: Awaitable[object]) -> float:
    begun = time.perf_counter()
    await work
    return time.perf_counter() - begun


async def run(url: str, directory: Path, sizes: list[int], seconds: float) -> Section:
    owner = await asyncpg.connect(url)
    found: dict[int, dict[str, float]] = {}
    async with (
        ours.started(url, directory) as side,
        opened_pool(url.replace("postgres@", f"{ours.ROLE}@", 1), connections_max=4) as pool,
    ):
        vault = Vault(PostgresKeyTable(pool), FileMasterKey(directory / "commands.key"))
        codec = Codec(Catalog(), vault, PostgresBlobStore(pool))
        growing = Growing(owner, side, side.store, codec)
        await growing.measured(sizes[0], seconds / 2)  # a server that has just started is slower
        for size in sizes:
            found[size] = await growing.measured(size, seconds)
            print(f"{size:,}: {found[size]}", flush=True)
    await owner.close()
    return section(found)


def section(found: dict[int, dict[str, float]]) -> Section:
    first, last = min(found), max(found)
    ratios = [
        Ratio(
            f"appends at {last:,} / at {first:,}",
            found[last]["appends"] / found[first]["appends"],
            GOAL,
        )
    ]
    for name, what in NAMES.items():
        ratios.append(
            Ratio(
                f"{what}: pace at {last:,} / at {first:,}",
                found[first][name] / found[last][name],
                GOAL,
            )
        )
    return Section(
        name="growth",
        title="A log that grows",
        told=f"Appends of one event with three tags by {APPENDING} tasks; reading and opening the "
        f"{EVENTS_OF_RUN} events of one tag, chosen at random; a command whose state is read first, and "
        "the next one on the same state. One server, one run; between the sizes valid rows are put in "
        "by the server itself. fsync and all else as in production.",
        columns=[
            "events",
            "appends/s",
            *(f"{what}, p50 ms" for what in NAMES.values()),
            "loaded in s",
        ],
        rows=[
            [
                f"{size:,}",
                f"{one['appends']:,.0f}",
                *(f"{one[name]:.2f}" for name in NAMES),
                f"{one['loading']:.0f}",
            ]
            for size, one in found.items()
        ],
        ratios=ratios,
    )


def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m bench.growth", description=__doc__)
    arguments.add_argument(
        "--sizes", type=int, nargs="+", default=list(SIZES), help="of the log, rising"
    )
    arguments.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    keeping(arguments)
    given = arguments.parse_args()
    with postgres_server() as url, tempfile.TemporaryDirectory() as directory:
        found = uvloop.run(run(url, Path(directory), sorted(given.sizes), given.seconds))
    told(found, given.keep)


if __name__ == "__main__":
    main()
