"""Appenders, relays and read models through 600 schedules of faults, each to be played again by its seed."""

import pytest

from tests.simulation.schedule import LOG_AND_VIEW, Verdict, happened, played, rare, seeds, told

SCHEDULES = 600


@pytest.fixture(scope="module")
def verdicts() -> list[Verdict]:
    return [played(seed, LOG_AND_VIEW) for seed in seeds(SCHEDULES)]


def test_whatever_breaks_nothing_is_lost_doubled_or_wrong(verdicts: list[Verdict]) -> None:
    wrong = [told(verdict, __file__) for verdict in verdicts if verdict.violations]

    assert not wrong, "\n".join(wrong)


def test_the_faults_really_happened(verdicts: list[Verdict]) -> None:
    """Otherwise the above says nothing."""
    assert not rare(
        verdicts,
        SCHEDULES,
        "killed",
        "paused",
        "messages forgotten",
        "refused",
        "delivered lost",
        "delivered twice",
        "delivered late",
        "appends broken off",
        "command unknown",
        "command refused",
        "locks taken over",
        "view commits lost",
        "crash_database",
        "delete_stream",
    )
    assert happened(verdicts, "command acknowledged") >= 10 * SCHEDULES
