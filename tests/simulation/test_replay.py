"""A seed is a schedule: the same again, step by step, in this process and in any other."""

import os
import subprocess
import sys
from pathlib import Path

from tests.simulation.schedule import LOG_AND_VIEW, played

SEEDS = range(900, 906)
PROGRAM = """
from tests.simulation.test_replay import traces
print(*traces())
"""


def traces() -> list[int]:
    """Checksums of every step of a few schedules."""
    return [played(seed, LOG_AND_VIEW).trace for seed in SEEDS]


def test_the_same_seed_gives_the_same_steps() -> None:
    assert traces() == traces()


def test_another_seed_gives_other_steps() -> None:
    assert len(set(traces())) == len(SEEDS)


def test_another_process_takes_the_same_steps() -> None:
    here = [str(trace) for trace in traces()]

    for hash_seed in ("1", "2"):
        there = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=True,
        )
        assert there.stdout.split() == here
