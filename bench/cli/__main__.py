"""`python -m bench.cli`: the audit CLI on a long log at rest: what it prints, proves and folds a second."""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import asyncpg
import psutil
import uvloop

from aigestion.bootstrap.engines import embedded_engines
from aigestion.embedded.datadir import DataDir
from aigestion.events.catalog import Catalog
from aigestion.eventstore.codec import Codec
from aigestion.eventstore.master_key import FileMasterKey
from aigestion.eventstore.postgres import PostgresBlobStore, PostgresKeyTable
from aigestion.eventstore.vault import Vault
from bench.hardware import hardware
from bench.replay.synthetic import write_log

AIGESTION = Path(sys.executable).with_name("aigestion")
FOLDED = ("conversations", "runs", "directory", "documents", "search", "activity", "model_calls")
"""Every read model but `passages`: embedding a synthetic log's documents measures the embedder alone."""
GOALS = {"events": 30.0, "log": 60.0, "folds": 300.0}
"""Seconds for a million events."""
MIB_MAX = 300
SAMPLE_SECONDS = 0.05


async def written(data_dir: DataDir, events: int) -> None:
    """A data dir at rest with so many events in its log."""
    with data_dir.locked():
        async with embedded_engines(data_dir) as engines:
            owner = await asyncpg.connect(engines.postgres.owner_url)
            async with asyncpg.create_pool(engines.postgres.runtime_url, min_size=1) as pool:
                vault = Vault(PostgresKeyTable(pool), FileMasterKey(data_dir.master_key))
                await write_log(owner, Codec(Catalog(), vault, PostgresBlobStore(pool)), events)
            await owner.close()


def command(data_dir: Path, *arguments: str, output: Path | None = None) -> tuple[float, float]:
    """Seconds until it ended, and the most memory its own process had, in MiB."""
    begun = time.perf_counter()
    with (output or Path(os.devnull)).open("wb") as out:
        running = subprocess.Popen(
            [AIGESTION, *arguments, "--data-dir", data_dir], stdout=out, stderr=subprocess.PIPE
        )
    process, peak = psutil.Process(running.pid), 0
    while running.poll() is None:
        try:
            peak = max(peak, process.memory_info().rss)
        except psutil.NoSuchProcess:
            break
        time.sleep(SAMPLE_SECONDS)
    _, errors = running.communicate()
    seconds = time.perf_counter() - begun
    if running.returncode:
        sys.exit(f"{' '.join(arguments)}: {errors.decode()}")
    return seconds, peak / 2**20


def told(what: str, events: int, measured: tuple[float, float], goal: float | None) -> None:
    """`goal`: seconds for a million events; no more of them are allowed for fewer."""
    seconds, mib = measured
    allowed = None if goal is None else goal * events / 1_000_000
    mark = "" if allowed is None else "✓" if seconds <= allowed and mib <= MIB_MAX else "✗"
    print(
        f"{what:<42} {seconds:>7.1f} s {events / seconds:>9,.0f} events/s {mib:>6.0f} MiB {mark}",
        flush=True,
    )


def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m bench.cli", description=__doc__)
    arguments.add_argument("--events", type=int, default=1_000_000, help="of the log")
    arguments.add_argument("--folds", action="store_true", help="with every view's fold")
    given = arguments.parse_args()
    print(hardware())
    with tempfile.TemporaryDirectory() as directory:
        data_dir, printed = Path(directory) / "data", Path(directory) / "events.jsonl"
        uvloop.run(written(DataDir(data_dir), given.events))
        jsonl = command(data_dir, "events", "--jsonl", "--all-tenants", output=printed)
        with printed.open("rb") as lines:
            assert sum(1 for _ in lines) == given.events
        told("events --jsonl", given.events, jsonl, GOALS["events"])
        log = command(data_dir, "audit", "verify")
        told("audit verify, no view there yet", given.events, log, GOALS["log"])
        if given.folds:
            for name in FOLDED:
                rebuilt = command(data_dir, "projections", "rebuild", name)
                told(f"projections rebuild {name}", given.events, rebuilt, None)
            folds = command(data_dir, "audit", "verify")
            told("audit verify, with every view's fold", given.events, folds, GOALS["folds"])


if __name__ == "__main__":
    main()
