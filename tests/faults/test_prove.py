"""`aigestion prove` itself: green under faults, red when somebody tampers, and nothing left after Ctrl-C."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import asyncpg
import pytest

from aigestion.prove import faults, run
from aigestion.prove.faults import kinds_of
from aigestion.prove.load import Tenant
from aigestion.prove.run import prove
from aigestion.prove.system import System

SEED = 20_261
FAULTS = 45
MINUTES = 0.7
"""A slow machine gets through fewer faults, not through more time."""
LASTS_SECONDS_MAX = 3.0
FAULTS_MIN = 10
LONG = {"disk-full", "postgres-disk-full"}
"""A server whose disk was full is started again after seconds, a broker after fifteen: for the night."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where runs have their temporary folders, and leave their histories."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


async def test_every_promise_is_kept_under_faults_of_every_kind(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faults, "LASTS_SECONDS_MAX", LASTS_SECONDS_MAX)
    kinds = kinds_of(None, dict.fromkeys(LONG, "takes too long"))
    report = await prove(faults=FAULTS, seed=SEED, minutes=MINUTES, kinds=kinds, keep=False)

    assert report.passed, report
    assert report.acked > 200
    assert report.reads > 10
    assert report.runs > 10
    assert sum(line.count for line in report.faults) >= FAULTS_MIN
    assert sum(line.lost_messages for line in report.faults) > 0
    assert _left(folder) == []


async def test_an_event_that_is_taken_out_of_the_log_is_missed(folder: Path) -> None:
    async def tamper(system: System) -> None:
        owner = await asyncpg.connect(system.postgres.owner_url)
        await owner.execute("ALTER TABLE log.events DISABLE TRIGGER ALL")
        await owner.execute(
            "WITH said AS (SELECT position FROM log.events WHERE type IN ('user.chat', 'user.action'))"
            " DELETE FROM log.events"
            " WHERE position IN (SELECT min(position) FROM said UNION SELECT max(position) FROM said)"
        )
        await owner.close()

    report = await prove(
        faults=3,
        seed=SEED,
        minutes=None,
        kinds=("kill-relay",),
        keep=False,
        before_check=tamper,
    )

    assert not report.passed
    assert report.violations.keys() >= {"lost", "hole", "broker", "view", "audit", "signed"}, report
    assert report.kept is not None
    assert _left(folder) == [Path(report.kept)]
    assert '"what":"violation"' in _text(report.kept)


async def test_a_system_that_lets_nobody_in_is_broken(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = System.tenant

    async def without_its_key(system: System, name: str, canary: str) -> Tenant:
        await make(system, name, canary)
        return Tenant(name, "aig_nobody", canary)

    monkeypatch.setattr(System, "tenant", without_its_key)
    monkeypatch.setattr(run, "REST_SECONDS_MAX", 1.0)

    report = await prove(faults=3, seed=SEED, minutes=None, kinds=("kill-api",), keep=False)

    assert report.violations["unserved"] == 1
    assert (report.faults, report.acked) == ([], 0)


def test_ctrl_c_ends_what_was_started_and_leaves_nothing(tmp_path: Path) -> None:
    running = subprocess.Popen(
        [sys.executable, "-m", "aigestion", "prove", "--faults", "1000", "--seed", "1"],
        env=os.environ | {"TMPDIR": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    assert running.stderr is not None
    for line in running.stderr:
        if line.startswith("1/1000 "):
            break
    assert _using(tmp_path)

    running.send_signal(signal.SIGINT)
    said = running.stderr.read()

    assert running.wait(60) == 130
    assert "Traceback" not in said, said
    assert _left(tmp_path) == []
    assert _using(tmp_path) == []


def _using(folder: Path) -> list[str]:
    """The processes that work in this folder."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and str(folder) in os.readlink(process / "cwd"):
                found.append(process.name)
        except OSError:  # it has ended, or is none of ours
            continue
    return found


def _left(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def _text(path: str) -> str:
    return Path(path).read_text()
