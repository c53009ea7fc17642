"""Agents and their runs through 400 schedules of faults, each to be played again by its seed."""

import pytest

from tests.simulation.schedule import RUNS, Verdict, happened, played, rare, seeds, told

SCHEDULES = 400


@pytest.fixture(scope="module")
def verdicts() -> list[Verdict]:
    return [played(seed, RUNS) for seed in seeds(SCHEDULES)]


def test_every_message_has_one_end_and_no_call_is_made_twice(verdicts: list[Verdict]) -> None:
    wrong = [told(verdict, __file__) for verdict in verdicts if verdict.violations]

    assert not wrong, "\n".join(wrong)


def test_the_faults_really_happened(verdicts: list[Verdict]) -> None:
    """Otherwise the above says nothing."""
    assert not rare(
        verdicts,
        SCHEDULES,
        "killed",
        "paused",
        "locks taken over",
        "appends broken off",
        "new connections fallen silent",
        "command unknown",
        "model.failed",
        "calls lost in a crash",
        "run.failed",
        "run.cancelled",
    )
    assert happened(verdicts, "agent.replied") >= 5 * SCHEDULES
