"""The read model `model_calls`: the end of a call when projected, then one wide row."""

from typing import Any

import pytest

from aigestion.events.recorded import Recorded
from aigestion.events.run import ModelCompleted, ModelFailed
from aigestion.projections.model_calls import project
from aigestion.readstores.port import Put
from tests.support.history import BEGINNING, History, chat, id_of

CALL = {
    "run_id": id_of("run"),
    "conversation_id": id_of("harbour"),
    "agent": "assistant",
    "call_id": id_of("call"),
    "provider": "openai",
    "requested_model": "gpt-5-mini",
    "requested_at": BEGINNING,
}


def completed(**fields: Any) -> Recorded[Any]:
    defaults = {
        "returned_model": "gpt-5-mini-2026",
        "finish_reason": "stop",
        "usage": {"input_tokens": 812, "output_tokens": 64},
        "input_tokens": 812,
        "output_tokens": 64,
        "first_token_seconds": 0.4,
        "duration_seconds": 1.8,
        "output_hash": "0f",
    }
    return History().happened(ModelCompleted(**CALL | defaults | fields))


def failed(**fields: Any) -> Recorded[Any]:
    defaults = {"user_id": "ana", "reason": "timeout", "message": "It took too long."}
    return History().happened(ModelFailed(**CALL | defaults | fields))


def fields_of(recorded: Recorded[Any]) -> dict[str, Any]:
    [put] = project(recorded)
    assert isinstance(put, Put)
    return dict(put.fields)


def test_a_completed_call_is_a_wide_row() -> None:
    recorded = completed()

    assert project(recorded) == [
        Put(
            "model_calls",
            str(recorded.id),
            {
                "tenant": "demo",
                "position": 1,
                "call_id": str(id_of("call")),
                "run_id": str(id_of("run")),
                "conversation_id": str(id_of("harbour")),
                "agent": "assistant",
                "provider": "openai",
                "requested_model": "gpt-5-mini",
                "usage": {"input_tokens": 812, "output_tokens": 64},
                "requested_at": BEGINNING,
                "duration_seconds": 1.8,
                "occurred_at": recorded.occurred_at,
                "recorded_at": recorded.recorded_at,
                "outcome": "completed",
                "reason": "stop",
                "returned_model": "gpt-5-mini-2026",
                "input_tokens": 812,
                "output_tokens": 64,
                "first_token_seconds": 0.4,
            },
        )
    ]


def test_a_failed_call_has_the_same_fields() -> None:
    assert fields_of(failed()).keys() == fields_of(completed()).keys()
    assert fields_of(failed())["outcome"] == "failed"
    assert fields_of(failed())["reason"] == "timeout"


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"input_tokens": 5, "output_tokens": 0}, (5, 0)),
        ({"prompt_tokens": 5, "completion_tokens": 7}, (5, 7)),
        ({}, (None, None)),
        ({"input_tokens": "many", "output_tokens": -1}, (None, None)),
        ({"input_tokens": 2**63, "output_tokens": 2**63 - 1}, (None, 2**63 - 1)),
    ],
)
def test_a_failed_call_counts_what_the_provider_says_it_used(
    usage: dict[str, Any], tokens: tuple[int | None, int | None]
) -> None:
    fields = fields_of(failed(usage=usage))

    assert (fields["input_tokens"], fields["output_tokens"]) == tokens
    assert fields["usage"] == usage


def test_a_number_no_column_can_hold_is_left_out() -> None:
    assert fields_of(completed(input_tokens=2**63))["input_tokens"] is None


def test_the_words_that_came_before_a_failure_are_not_kept_here() -> None:
    assert "xylophonquartz" not in str(fields_of(failed(partial_text="xylophonquartz")))


def test_other_events_are_no_calls() -> None:
    assert project(History().happened(chat("hello"))) == []
