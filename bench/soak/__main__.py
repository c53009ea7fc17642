"""`python -m bench.soak`: every role in a process of its own under load, a fault every 30 s: does it stay as it is?"""

import argparse
import asyncio
import sys
import tempfile
import time
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import httpx2
import msgspec
import psutil

from aigestion.prove.faults import kinds_of, planned
from aigestion.prove.history import History
from aigestion.prove.injector import Injector
from aigestion.prove.starting import running_system
from aigestion.prove.system import KEPT, ROLES, System
from bench.results import Ratio, Section, keeping, told
from bench.soak.load import TRY_SECONDS_MAX, Load
from bench.soak.trend import Sample, drift, slope_per_hour
from bench.whole import conversation

FAULT_SECONDS = 30.0
AFTER_FAULT_SECONDS = 15.0
"""What is answered so soon after a fault is not part of the drift."""
START_SECONDS_MAX = 60.0
"""What comes so soon says nothing: at most this, and at most a sixth of the run. Memory warms up for half of it."""
SAMPLE_SECONDS = 1.0
CALIBRATING_SECONDS = 20.0
CONVERSATIONS = 101
WITH_SECOND_PROJECTOR = {**ROLES, "project-2": ("project", *KEPT)}
THE_LAST = 0.999
"""The pick of the last process of a role: the first of each is never killed, and so shows what all this does to it."""
KINDS = "kill-api,kill-relay,kill-project,kill-agents,kill-nats,pause-relay"
RSS_MIB_PER_HOUR_MAX = 1.0
DRIFT_MAX = 0.10
CONNECTIONS_MAX = 16
COLUMNS = [
    "process", "lives", "MiB", "half-way", "at the end", "MiB/h", "descriptors", "descriptors/h",
]  # fmt: skip
DESCRIPTORS_PER_HOUR_MAX = 1.0


class Soak:
    """One run's samples."""

    def __init__(self, system: System, load: Load, history: History) -> None:
        self._system = system
        self._history = history
        self._begun = time.perf_counter()
        self.load = load
        self.samples: list[Sample] = []
        self.faults: list[tuple[float, str]] = []

    @property
    def now(self) -> float:
        return time.perf_counter() - self._begun

    async def run(self, seconds: float, share: float, seed: int) -> float:
        """Load, faults and looks at it for so long; returns the posts a second."""
        rate = share * await self.load.most(CALIBRATING_SECONDS)
        self._begun = time.perf_counter()
        beside = [asyncio.create_task(one) for one in (self._look(), self._break(seconds, seed))]
        try:
            await self.load.steady(rate, seconds)
        finally:
            for one in beside:
                one.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
        for one in beside:
            if not one.cancelled() and (error := one.exception()):
                raise error
        return rate

    async def _look(self) -> None:
        while True:
            for name, node in self._system.nodes.items():
                if node.pid is not None:
                    with suppress(psutil.Error):
                        process = psutil.Process(node.pid)
                        mib = process.memory_info().rss / 2**20
                        sample = Sample(name, node.pid, self.now, mib, process.num_fds())
                        self.samples.append(sample)
            await asyncio.sleep(SAMPLE_SECONDS)

    async def _break(self, seconds: float, seed: int) -> None:
        injector = Injector(self._system, self._history)
        for one in planned(seed, int(seconds / FAULT_SECONDS) - 1, kinds_of(KINDS)):
            await asyncio.sleep(FAULT_SECONDS - self.now % FAULT_SECONDS)
            self.faults.append((self.now, one.kind))
            print(f"{self.now:>6.0f} s {one.kind}", flush=True)
            await injector.inject(msgspec.structs.replace(one, pick=THE_LAST))


async def soaked(minutes: float, share: float, seed: int) -> Section:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="aig-soak-")))
        system = await stack.enter_async_context(
            running_system(folder, roles=WITH_SECOND_PROJECTOR)
        )
        tenant = await system.tenant("bench", "0" * 12)
        headers = {"Authorization": f"Bearer {tenant.key}"}
        clients = [
            await stack.enter_async_context(
                httpx2.AsyncClient(
                    base_url=url,
                    headers=headers,
                    trust_env=False,
                    timeout=TRY_SECONDS_MAX,
                    limits=httpx2.Limits(max_connections=CONNECTIONS_MAX),
                )
            )
            for url in system.api_urls
        ]
        for client in clients:
            while (await client.get("/v1/caller")).status_code != 200:
                await asyncio.sleep(0.05)
        paths = [(await conversation(clients[0]))[0] for _ in range(CONVERSATIONS)]
        history = History(folder / "history.jsonl")
        stack.callback(history.close)
        soak = Soak(system, Load(clients, paths), history)
        rate = await soak.run(minutes * 60, share, seed)
        return judged(soak, rate, minutes, share)


def judged(soak: Soak, rate: float, minutes: float, share: float) -> Section:
    """A row a process, and how each figure stands to its limit: 1 and above is within."""
    rows, slopes, descriptors, spared = [], [], [], True
    start, half = min(START_SECONDS_MAX, minutes * 10), minutes * 30
    for name in sorted({one.name for one in soak.samples}):
        of = [one for one in soak.samples if one.name == name]
        lives = len({one.pid for one in of})
        spared = spared and (lives == 1 or not name.endswith("-1"))
        slope = slope_per_hour(of, half)
        held = slope_per_hour(of, start, "descriptors")
        slopes += [] if slope is None else [slope]
        descriptors += [] if held is None else [held]
        at_times = [next(one for one in of if one.at >= at).rss_mib for at in (start, half)]
        rows.append(
            [
                name,
                str(lives),
                *(f"{mib:.1f}" for mib in (*at_times, of[-1].rss_mib)),
                "" if slope is None else f"{slope:+.2f}",
                str(max(one.descriptors for one in of)),
                "" if held is None else f"{held:+.1f}",
            ]
        )
    load = soak.load
    faults = [at for at, _ in soak.faults]
    early, late = drift(load.answers, faults, start, AFTER_FAULT_SECONDS)
    return Section(
        name="soak",
        title="Under load and faults for a while",
        told=f"{minutes:g} minutes, {rate:.0f} posts a second ({share:.0%} of what the callers got at first), "
        f"every role in a process of its own, {len(soak.faults)} faults, one every {FAULT_SECONDS:g} s. "
        f"{len(load.answers):,} posts answered, {load.failures} met a fault, {load.refusals} were "
        f"refused. Away from faults p99 was {early:.1f} ms in the first half and {late:.1f} ms in the "
        f"second. The first process of each role was never killed. MiB: after {start:g} s, half-way and at the "
        "end; its slope is that of the second half, that of descriptors without the start.",
        columns=COLUMNS,
        rows=rows,
        ratios=[
            _within("memory of the fastest growing process, MiB/h", slopes, RSS_MIB_PER_HOUR_MAX),
            _within("descriptors of the same, an hour", descriptors, DESCRIPTORS_PER_HOUR_MAX),
            Ratio(f"p99 within {1 + DRIFT_MAX:g} x", early * (1 + DRIFT_MAX) / late, 1.0),
            Ratio("no post was refused", 0.0 if load.refusals else 1.0, 1.0),
            Ratio("who is never killed never ended", float(spared), 1.0),
        ],
    )


def _within(what: str, values: list[float], most: float) -> Ratio:
    """How often the largest goes into what is allowed; shrinking counts as standing still."""
    worst = max(values, default=0.0)
    return Ratio(f"{what}: at most {most:g} / {worst:.2f}", most / max(worst, 0.01), 1.0)


def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    arguments.add_argument("--minutes", type=float, default=20.0)
    arguments.add_argument("--load", type=float, default=0.7, help="share of what the system takes")
    arguments.add_argument("--seed", type=int, default=1, help="of the faults")
    keeping(arguments)
    given = arguments.parse_args()
    section = asyncio.run(soaked(given.minutes, given.load, given.seed))
    told(section, given.keep)
    if any(ratio.missed for ratio in section.ratios):
        sys.exit("The system does not stay as it is.")


if __name__ == "__main__":
    main()
