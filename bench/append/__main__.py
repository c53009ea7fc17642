"""`python -m bench.append`: one-event appends beside pgbench and the `eventsourcing` library, same server."""

import argparse
import asyncio
import subprocess
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import uvloop
from tests.support.engines import postgres_server

from bench.append import ours, pgbench
from bench.append.emmett import Emmett, installed
from bench.append.measured import Measured, median_of
from bench.hardware import hardware
from bench.results import Ratio, Section, keeping, told

CALLERS = (1, 8, 32, 128)
CASES = {
    "plain": "no tags",
    "tagged": "three tags",
    "sealed": "three tags, two sealed fields",
}
GOALS = {
    ("plain", 32, "a"): 1.5,
    ("plain", 128, "a"): 1.5,
    ("tagged", 32, "a"): 1.0,
    ("tagged", 128, "a"): 1.2,
    ("tagged", 32, "b"): 1.5,
    ("tagged", 128, "b"): 1.5,
} | {(case, callers, "app"): 20.0 for case in ("plain", "tagged") for callers in (32, 128)}
WARM_UP_SECONDS = 1.0
LEGEND = """
a    pgbench, one equal event row a transaction       b1   pgbench, what b does in one statement
b    pgbench, event row and tag rows a transaction    app  eventsourcing's application recorder: no tags
emm  Emmett on its PostgreSQL store, from npm          dcb  its DCB recorder, unconditional appends
group: requests a commit; client and server µs: CPU an append; ✓ and ✗: the goals.
Same server for all; fsync, full_page_writes and synchronous_commit are on."""


@dataclass(frozen=True)
class Bench:
    """One server, our side on it, and how long each cell runs."""

    url: str
    owner: "asyncpg.Connection"
    ours: ours.Ours
    seconds: float
    rounds: int
    directory: Path
    emmett: Emmett | None

    async def cell(self, case: str, callers: int) -> dict[str, Measured]:
        """All sides in turn, several times over: what disturbs the machine disturbs each of them."""
        data = b"x" * await self.ours.sealed_bytes() if case == "sealed" else ours.DATA
        tagged = case != "plain"
        seen: dict[str, list[Measured]] = defaultdict(list)
        for _ in range(self.rounds):
            await self.owner.execute("CHECKPOINT")
            seen["ours"].append(await self.ours.measure(case, callers, self.seconds))
            for side in pgbench.SIDES if tagged else ("a",):
                await self.owner.execute("CHECKPOINT")
                text = pgbench.script(side, tagged=tagged, data=data)
                seen[side].append(await self.plain(text, callers))
        if case != "sealed":
            for recorder in ("app", "dcb") if tagged else ("app",):
                seen[recorder].append(await self.library(recorder, callers))
            if self.emmett is not None:
                rate = await asyncio.to_thread(self.emmett.rate, self.url, callers, self.seconds)
                seen["emm"].append(Measured(rate=rate))
        return {side: median_of(rounds) for side, rounds in seen.items()}

    async def plain(self, text: str, callers: int) -> Measured:
        return await asyncio.to_thread(
            pgbench.measure, self.url, text, callers, self.seconds, self.directory
        )

    async def library(self, recorder: str, callers: int) -> Measured:
        command = [sys.executable, "-m", "bench.append.library", self.url]
        command += [recorder, str(callers), str(self.seconds)]
        done = await asyncio.to_thread(
            subprocess.run, command, capture_output=True, text=True, check=True
        )
        return Measured(rate=float(done.stdout))


async def run(
    given: argparse.Namespace, url: str, directory: Path, emmett: Emmett | None
) -> Section:
    found: dict[tuple[str, int], dict[str, Measured]] = {}
    owner = await asyncpg.connect(url)
    async with ours.started(url, directory) as side:
        await owner.execute(pgbench.TABLES)
        bench = Bench(url, owner, side, given.seconds, given.rounds, directory, emmett)
        for case in ("tagged", "sealed"):
            await side.measure(case, max(CALLERS), WARM_UP_SECONDS)
        for case in given.case or CASES:
            print(f"\n{CASES[case]}\n{HEADER}")
            for callers in given.callers or CALLERS:
                found[case, callers] = await bench.cell(case, callers)
                print(row(case, callers, found[case, callers]), flush=True)
        [fault] = await owner.fetchrow("SELECT count(*) - max(position) FROM log.events")
        print(f"\n{await side.store.head()} events; positions missing: {-fault}")
    await owner.close()
    return section(found)


RIVALS = ("a", "b", "b1", "app", "dcb", "emm")
HEADER = (
    f"{'callers':>7} {'ours/s':>7} {'p50 ms':>7} {'p99 ms':>7} {'group':>6} {'client µs':>9} {'server µs':>9}"
    + "".join(f" {side:>7} {'ratio':>7}" for side in RIVALS)
)


def row(case: str, callers: int, cell: dict[str, Measured]) -> str:
    mine = cell["ours"]
    text = (
        f"{callers:>7} {mine.rate:>7.0f} {mine.p50:>7.2f} {mine.p99:>7.2f} {mine.group_size:>6.1f} "
        f"{mine.client_cpu:>9.0f} {mine.server_cpu:>9.0f}"
    )
    for side in RIVALS:
        if side not in cell:
            text += f" {'-':>7} {'-':>7}"
            continue
        ratio = mine.rate / cell[side].rate
        goal = GOALS.get((case, callers, side))
        mark = "" if goal is None else "✓" if ratio >= goal else "✗"
        text += f" {cell[side].rate:>7.0f} {f'{ratio:.2f}{mark}':>7}"
    return text


def section(found: dict[tuple[str, int], dict[str, Measured]]) -> Section:
    """The cells as a table; the ratios are those that have a goal."""
    rows, ratios = [], []
    for (case, callers), cell in found.items():
        mine = cell["ours"]
        sides = [cell[side].rate if side in cell else 0.0 for side in RIVALS]
        rows.append(
            [
                CASES[case],
                str(callers),
                *(f"{mine.rate:,.0f}", f"{mine.p50:.2f}", f"{mine.p99:.2f}"),
                *(f"{rate:,.0f}" if rate else "" for rate in sides),
            ]
        )
        for side, rate in zip(RIVALS, sides, strict=True):
            if rate and (case, callers, side) in GOALS:
                what = f"{CASES[case]}, {callers} callers: ours / {NAMES[side]}"
                ratios.append(Ratio(what, mine.rate / rate, GOALS[case, callers, side]))
            elif rate and side in ("dcb", "emm") and callers == 32:
                what = f"{CASES[case]}, {callers} callers: ours / {NAMES[side]}"
                ratios.append(Ratio(what, mine.rate / rate))
    return Section(
        name="append",
        title="Appends of one event",
        told="Appends a second by so many tasks of one process, beside others on the same server with as "
        "many clients: a, pgbench inserting one equal row a transaction; b, row and tag rows a "
        "transaction; b1, the same in one statement; app and dcb, the `eventsourcing` library's "
        "recorders; emm, Emmett's store, from npm.",
        columns=["event", "callers", "ours/s", "p50 ms", "p99 ms", *RIVALS],
        rows=rows,
        ratios=ratios,
    )


NAMES = {
    "a": "pgbench, a row",
    "b": "pgbench, row and tags",
    "b1": "pgbench, in one statement",
    "app": "eventsourcing",
    "dcb": "eventsourcing DCB",
    "emm": "Emmett",
}


def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m bench.append", description=__doc__)
    arguments.add_argument("--seconds", type=float, default=2.0, help="of each side of each cell")
    arguments.add_argument("--rounds", type=int, default=3, help="of each cell; medians are shown")
    arguments.add_argument("--callers", type=int, action="append", help="only so many; repeatable")
    arguments.add_argument("--case", choices=CASES, action="append", help="only this; repeatable")
    keeping(arguments)
    given = arguments.parse_args()
    print(hardware())
    with (
        postgres_server() as url,
        tempfile.TemporaryDirectory() as directory,
        installed() as emmett,
    ):
        found = uvloop.run(run(given, url, Path(directory), emmett))
    print(LEGEND)
    told(found, given.keep)


if __name__ == "__main__":
    main()
