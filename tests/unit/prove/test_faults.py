"""The plan of a run: it follows from the seed, and names that mean nothing are refused."""

import pytest

from aigestion.kernel.errors import InvalidInput
from aigestion.prove.faults import WEIGHTS, kinds_of, planned


def test_the_same_seed_plans_the_same_faults() -> None:
    assert planned(7, 50, kinds_of(None)) == planned(7, 50, kinds_of(None))
    assert planned(7, 50, kinds_of(None)) != planned(8, 50, kinds_of(None))


def test_every_kind_comes_before_chance_decides() -> None:
    assert {one.kind for one in planned(3, len(WEIGHTS), kinds_of(None))} == set(WEIGHTS)


def test_only_the_named_kinds_come() -> None:
    kinds = kinds_of("kill-nats, broker-amnesia")

    assert {one.kind for one in planned(3, 40, kinds)} == {"kill-nats", "broker-amnesia"}


def test_what_the_machine_cannot_have_is_left_out_or_refused_with_the_reason() -> None:
    cannot = {"disk-full": "nobody may mount"}

    assert set(kinds_of(None, cannot)) == set(WEIGHTS) - {"disk-full"}
    with pytest.raises(InvalidInput, match="disk-full: nobody may mount"):
        kinds_of("kill-nats,disk-full", cannot)


@pytest.mark.parametrize("names", ["kill-nothing", "kill-nats,typo", "", " , "])
def test_a_name_that_means_nothing_is_refused_with_those_that_do(names: str) -> None:
    with pytest.raises(InvalidInput, match="broker-amnesia"):
        kinds_of(names)
