"""What is believed of a provider's numbers."""

from typing import Any

import pytest

from aigestion.llm.wire import Finished, said, tokens


def test_counts_are_added_and_further_ones_may_be_missing() -> None:
    usage = {"input_tokens": 6, "cache_read_input_tokens": 3, "cache_creation_input_tokens": None}

    total = tokens(usage, "input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")

    assert total == 9


@pytest.mark.parametrize("count", [None, -1, 10**12, 10**30, 7.0, "7", True, [7], {}])
def test_what_is_no_count_is_not_counted(count: Any) -> None:
    assert tokens({"n": count}, "n") is None


def test_one_bad_count_spoils_the_sum() -> None:
    assert tokens({"a": 6, "b": "many"}, "a", "b") is None


@pytest.mark.parametrize("usage", [None, 5, "many", [1]])
def test_what_is_no_usage_object_says_nothing(usage: Any) -> None:
    assert said(usage) == {}


def test_the_later_word_counts_and_silence_takes_nothing_back() -> None:
    begun = Finished(model="a", usage={"input_tokens": 6}, input_tokens=6, refused=True)

    both = begun.merged(Finished(reason="stop", output_tokens=2))

    assert both == Finished(
        model="a",
        reason="stop",
        usage={"input_tokens": 6},
        input_tokens=6,
        output_tokens=2,
        refused=True,
    )
