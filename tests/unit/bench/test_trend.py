"""What a soak reads off its samples."""

from xml.etree import ElementTree

import pytest
from bench.report.page import page
from bench.report.picture import picture
from bench.results import Ratio, Section
from bench.soak.trend import Answer, Sample, drift, slope_per_hour


def life(pid: int, begin: float, seconds: int, mib: float, per_hour: float) -> list[Sample]:
    return [
        Sample("api-1", pid, begin + at, mib + per_hour * at / 3600, 40) for at in range(seconds)
    ]


def test_a_slope_is_what_an_hour_would_bring() -> None:
    samples = life(1, 50, 200, 150, 6.0)
    assert slope_per_hour(samples, 20) == pytest.approx(6.0)
    assert slope_per_hour(samples, 20, "descriptors") == 0.0


def test_who_was_started_again_has_no_slope() -> None:
    samples = [*life(1, 0, 200, 150, 6.0), *life(2, 200, 200, 100, 6.0)]
    assert slope_per_hour(samples, 20) is None


def test_how_a_process_warms_up_is_left_out() -> None:
    warming = [Sample("api-1", 1, at, 10.0 * at, 40) for at in range(20)]
    steady = [Sample("api-1", 1, at, 200.0, 40) for at in range(20, 200)]
    assert slope_per_hour([*warming, *steady], 20) == 0.0


def test_a_life_that_is_too_short_says_nothing() -> None:
    assert slope_per_hour(life(1, 0, 70, 150, 600.0), 20) is None


def test_a_drift_compares_halves_away_from_faults() -> None:
    early = [Answer(at, 0.010) for at in range(20, 100)]
    late = [Answer(at, 0.020) for at in range(100, 180)]
    broken = [Answer(at, 5.0) for at in range(120, 130)]
    found = drift([*early, *late, *broken], [118.0], 20, 15)
    assert found == (pytest.approx(10.0), pytest.approx(20.0))


def test_page_and_picture_tell_which_goal_is_missed() -> None:
    section = Section(
        name="append",
        title="Appends & reads",
        told="Ours beside theirs.",
        columns=["callers", "ours/s"],
        rows=[["32", "1,000"]],
        ratios=[Ratio("ours / theirs", 0.5, 1.0), Ratio("ours / others", 2.0)],
        hardware="a machine",
        taken_at="2026-11-23 12:00 UTC",
    )
    text, svg = page([section], "Python."), picture([section])

    assert "ours / theirs: **0.50** (goal: 1, missed)" in text
    assert "| 32 | 1,000 |" in text
    bars = ElementTree.fromstring(svg).findall("{*}rect")
    assert [bar.get("class") for bar in bars] == ["missed", "bar"]
    left, right = (float(bar.get("x", 0)) for bar in bars)
    assert left < right
