"""A seed is a schedule: the same again, step by step, in this process and in any other."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation import mutants
from tests.simulation.schedule import LOG_AND_VIEW, RUNS, SEED, played, seeds, told

SEEDS = range(900, 904)
PROGRAM = """
from tests.simulation.test_replay import traces
print(*traces())
"""


def traces() -> list[int]:
    """Checksums of every step of a few schedules."""
    return [played(seed, programs).trace for seed in SEEDS for programs in (LOG_AND_VIEW, RUNS)]


def test_the_same_seed_gives_the_same_steps() -> None:
    assert traces() == traces()


def test_another_seed_gives_other_steps() -> None:
    assert len(set(traces())) == 2 * len(SEEDS)


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


def test_a_red_schedule_says_how_to_see_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with mutants.no_idempotency_tag():
        first = next(v for seed in range(50) if (v := played(seed, LOG_AND_VIEW)).violations)
        line = told(first, __file__).splitlines()[0]
        assert line == (
            f"{SEED}={first.seed} .venv/bin/pytest --numprocesses=0 tests/simulation/test_replay.py"
        )

        monkeypatch.setenv(SEED, str(first.seed))
        [again] = [played(seed, LOG_AND_VIEW) for seed in seeds(1_000)]

    assert (again.trace, again.violations) == (first.trace, first.violations)
