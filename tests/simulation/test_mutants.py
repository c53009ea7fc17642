"""Each safety rule is there for something: without it, some schedule goes wrong, and soon.

A rule whose mutant stays green is dead, or nobody would notice its end. What other rules make good
is not here: see ADR 30.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import pytest

from tests.simulation import mutants
from tests.simulation.schedule import LOG_AND_VIEW, RUNS, played

SCHEDULES_MAX = 300
"""So soon a mutant must be noticed; most are within ten."""

MUTANTS = (
    (mutants.no_head_lock, LOG_AND_VIEW, "already has an event with this id"),
    (mutants.no_append_condition, LOG_AND_VIEW, "was said in an archived conversation"),
    (mutants.nobody_held_in_a_group, LOG_AND_VIEW, "the append that ends at"),
    (mutants.no_idempotency_tag, LOG_AND_VIEW, "is recorded 2 times"),
    (mutants.backends_outlive_their_connection, LOG_AND_VIEW, "not recorded and is recorded"),
    (mutants.no_expected_sequence, LOG_AND_VIEW, "the broker has another event than the log"),
    (mutants.no_gap_check, LOG_AND_VIEW, "the log makes it"),
    (mutants.no_watermark, LOG_AND_VIEW, "no rest: conversations"),
    (mutants.checkpoint_apart_from_its_effect, LOG_AND_VIEW, "the log makes it"),
    (mutants.no_comparison_while_quiet, LOG_AND_VIEW, "no rest: conversations"),
    (mutants.no_checkpoint_lock, LOG_AND_VIEW, "went back"),
    (mutants.runs_with_fresh_ids, RUNS, "ends: ["),
    (mutants.a_call_beside_an_open_one, RUNS, "two calls were open"),
    (mutants.an_attempt_twice, RUNS, "the model was asked 2 times"),
    (mutants.an_answer_to_a_call_that_has_ended, RUNS, "has 2 ends"),
    (mutants.no_sweep, RUNS, "have no reply"),
)
MADE_GOOD = (
    (mutants.no_gap_check_in_the_subscription, LOG_AND_VIEW),  # the runner counts again
    (mutants.an_open_call_not_looked_at, RUNS),  # each attempt is made once
)
SCHEDULES_MADE_GOOD = 40


@pytest.mark.parametrize(
    ("mutant", "programs", "violation"), MUTANTS, ids=[one[0].__name__ for one in MUTANTS]
)
def test_without_the_rule_a_schedule_goes_wrong(
    mutant: Any, programs: Mapping[str, Any], violation: str
) -> None:
    seed = _first_red(mutant(), programs, violation)

    assert seed is not None, f"nobody noticed in {SCHEDULES_MAX} schedules"
    assert played(seed, programs).violations == [], "the schedule is wrong with the rule as well"


@pytest.mark.parametrize(
    ("mutant", "programs"), MADE_GOOD, ids=[one[0].__name__ for one in MADE_GOOD]
)
def test_without_the_rule_another_one_still_holds(mutant: Any, programs: Mapping[str, Any]) -> None:
    with mutant():
        wrong = [played(seed, programs).violations for seed in range(SCHEDULES_MADE_GOOD)]

    assert not any(wrong)


def _first_red(
    mutated: AbstractContextManager[None], programs: Mapping[str, Any], violation: str
) -> int | None:
    with mutated:
        for seed in range(SCHEDULES_MAX):
            if any(violation in wrong for wrong in played(seed, programs).violations):
                return seed
    return None
