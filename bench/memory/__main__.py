"""`python -m bench.memory`: memory of each process, and start to first answer, beside a bare Litestar application."""

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from statistics import median

import httpx2
import psutil
from tests.support.engines import free_port
from tests.support.program import Program

from aigestion.prove.starting import running_system
from aigestion.prove.system import System
from bench.results import Ratio, Section, keeping, told
from bench.whole import asking, conversation

CALLERS = 8
SAMPLE_SECONDS = 0.2
REST_SECONDS = 3.0
ANSWER_SECONDS_MAX = 60.0
POLL_SECONDS = 0.005
BODY = {"type": "user.action", "payload": {"name": "bench", "properties": {"n": 1}}}


class Process:
    """A process with all its children: memory that several of them share is counted once."""

    def __init__(self, pid: int, *, tree: bool = False) -> None:
        self._process = psutil.Process(pid)
        self._tree = tree

    @property
    def mib(self) -> float:
        """Resident for one process; proportional for a tree, which shares most of it."""
        if not self._tree:
            return float(self._process.memory_info().rss) / 2**20
        total = 0
        for one in (self._process, *self._process.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                total += one.memory_full_info().pss
        return total / 2**20


async def loaded(
    client: httpx2.AsyncClient, path: str, seconds: float, processes: Mapping[str, Process]
) -> dict[str, float]:
    """The most each had while callers posted one after the other."""
    peaks = {name: one.mib for name, one in processes.items()}
    end = time.perf_counter() + seconds

    async def call() -> None:
        while time.perf_counter() < end:
            (await client.post(path, json=BODY)).raise_for_status()

    async def look() -> None:
        while time.perf_counter() < end:
            for name, one in processes.items():
                peaks[name] = max(peaks[name], one.mib)
            await asyncio.sleep(SAMPLE_SECONDS)

    await asyncio.gather(look(), *(call() for _ in range(CALLERS)))
    return peaks


def answered_after(process: "subprocess.Popen[bytes]", begun: float, url: str) -> float:
    """Seconds from the start until `GET /health/live` was answered."""
    while time.perf_counter() - begun < ANSWER_SECONDS_MAX:
        assert process.poll() is None, "it ended as it started"
        with suppress(OSError), urllib.request.urlopen(url + "/health/live", timeout=1) as answer:
            if answer.status == 200:
                return time.perf_counter() - begun
        time.sleep(POLL_SECONDS)
    raise TimeoutError(f"no answer from {url}")


def bare(seconds: float, starts: int) -> tuple[list[str], float, float]:
    """The row, start time and memory of the bare application."""
    times = []
    for number in range(starts):
        port, begun = free_port(), time.perf_counter()
        command = [sys.executable, "-m", "bench.memory.bare", str(port)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            url = f"http://127.0.0.1:{port}"
            times.append(answered_after(process, begun, url))
            if number == starts - 1:
                time.sleep(REST_SECONDS)
                watched = Process(process.pid)
                rest = watched.mib

                async def run(url: str = url, watched: Process = watched) -> dict[str, float]:
                    async with httpx2.AsyncClient(base_url=url, trust_env=False) as client:
                        return await loaded(client, "/", seconds, {"bare": watched})

                peak = asyncio.run(run())["bare"]
            process.terminate()
    row = ["bare Litestar", f"{rest:.0f}", f"{peak:.0f}", f"{median(times):.2f}"]
    return row, median(times), peak


def up(seconds: float) -> list[list[str]]:
    """`aigestion up` on a fresh data dir, with its engines; then the start again."""
    with (
        tempfile.TemporaryDirectory(prefix="aig-bench-") as directory,
        Program(Path(directory) / "data") as program,
    ):
        begun = time.perf_counter()
        program.start("--no-demo")
        first = time.perf_counter() - begun
        time.sleep(REST_SECONDS)
        doors = program.connect()
        watched = {"aigestion up": Process(doors["pid"])}
        for child in psutil.Process(doors["pid"]).children():
            watched[f"its {child.name()}"] = Process(child.pid, tree=True)
        rest = {name: one.mib for name, one in watched.items()}

        async def run() -> dict[str, float]:
            async with asking(doors) as client:
                path, _ = await conversation(client)
                return await loaded(client, path, seconds, watched)

        peaks = asyncio.run(run())
        program.stop()
        begun = time.perf_counter()
        program.start("--no-demo")
        again = time.perf_counter() - begun
        program.stop()
    rows = [[name, f"{rest[name]:.0f}", f"{peaks[name]:.0f}", ""] for name in watched]
    rows[0][3] = f"{first:.2f}"
    return [*rows, ["aigestion up, again", "", "", f"{again:.2f}"]]


async def roles(seconds: float) -> tuple[list[list[str]], float, float]:
    """Every role as a process of its own; rows, and start time and memory of the API."""
    with tempfile.TemporaryDirectory(prefix="aig-bench-") as directory:
        async with running_system(Path(directory)) as system:
            await asyncio.sleep(REST_SECONDS)
            tenant = await system.tenant("bench", "0" * 12)
            watched = {name: Process(node.pid) for name, node in system.nodes.items() if node.pid}
            rest = {name: one.mib for name, one in watched.items()}
            headers = {"Authorization": f"Bearer {tenant.key}"}
            async with httpx2.AsyncClient(
                base_url=system.api_urls[0], headers=headers, trust_env=False, timeout=30
            ) as client:
                while (await client.get("/v1/caller")).status_code != 200:
                    await asyncio.sleep(POLL_SECONDS)
                path, _ = await conversation(client)
                peaks = await loaded(client, path, seconds, watched)
            start = await _restarted(system)
    rows = [[name, f"{rest[name]:.0f}", f"{peaks[name]:.0f}", ""] for name in watched]
    rows[0][3] = f"{start:.2f}"
    return rows, start, peaks["api-1"]


async def _restarted(system: System) -> float:
    """Seconds from the end of an API process until the next one answers."""
    node = system.nodes["api-1"]
    begun = time.perf_counter()
    node.kill()
    while (await node.get("/health/live"))[0] != 200 or node.starts < 2:
        await asyncio.sleep(POLL_SECONDS)
    return time.perf_counter() - begun


def measured(seconds: float, starts: int) -> Section:
    row, start, peak = bare(seconds, starts)
    split, role_start, role_peak = asyncio.run(roles(seconds))
    return Section(
        name="memory",
        title="Memory and start",
        told="MiB resident (Postgres with all its processes: proportional), at rest and at most while "
        f"{CALLERS} callers post; seconds from the start of a process to its first answer, a fresh data "
        "dir's engines included for `aigestion up`. Beside it a Litestar application that has nothing, "
        "on the same server.",
        columns=["process", "at rest MiB", "under load MiB", "first answer s"],
        rows=[row, *up(seconds), *split],
        ratios=[
            Ratio("memory under load, bare Litestar / an API process", peak / role_peak),
            Ratio("start to first answer, bare Litestar / an API process", start / role_start),
        ],
    )


def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m bench.memory", description=__doc__)
    arguments.add_argument("--seconds", type=float, default=6.0, help="of load")
    arguments.add_argument("--starts", type=int, default=3, help="of the bare application")
    keeping(arguments)
    given = arguments.parse_args()
    told(measured(given.seconds, given.starts), given.keep)


if __name__ == "__main__":
    main()
