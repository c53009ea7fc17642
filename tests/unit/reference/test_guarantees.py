"""The page of guarantees: the figures of its runs, what is not promised, and never from a run that failed."""

from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from aigestion.prove.report import FaultLine, Report
from aigestion.reference.guarantees import LOSSES, PAGE, guarantees_page, main


def test_it_has_the_figures_of_every_run_and_all_that_is_not_promised() -> None:
    told = guarantees_page([_report(seed=7), _report(seed=8, not_checked=("disk-full: not root",))])

    assert "## 3 faults, seed 7" in told
    assert "## 3 faults, seed 8" in told
    assert (
        "| `kill-nats` | 3 | 0.20 s | 0.30 s | 0.90 s | 1.40 s | away, `engine_up` | 1 | 41 |"
        in told
    )
    assert all(loss in told for loss in LOSSES)
    assert "- disk-full: not root\n" in told


@pytest.mark.parametrize("passed", [True, False])
def test_only_runs_that_kept_every_promise_are_written(tmp_path: Path, passed: bool) -> None:
    run = tmp_path / "run.json"
    run.write_bytes(msgspec.json.encode(_report(passed=passed)))
    (tmp_path / PAGE).parent.mkdir(parents=True)

    ended = CliRunner().invoke(main, [str(run), "--root", str(tmp_path)])

    assert (ended.exit_code == 0) is passed
    assert (tmp_path / PAGE).exists() is passed


def _report(
    *, seed: int = 7, passed: bool = True, not_checked: tuple[str, ...] = ("P8",)
) -> Report:
    return Report(
        passed=passed,
        at="2026-01-01 00:00 UTC",
        machine="2 cores",
        seed=seed,
        seconds=61.5,
        faults=[FaultLine("kill-nats", 3, 0.2, 0.3, 41, 0.9, 1.4, ("away", "engine_up"), 1)],
        acked=900,
        refused=0,
        unknown=1,
        events=1_500,
        reads=70,
        runs=80,
        slowest_seconds=2.5,
        provider_calls_max=2,
        rss_mib_max=180,
        descriptors_max=50,
        violations={},
        first=[],
        kept=None,
        not_checked=not_checked,
    )
