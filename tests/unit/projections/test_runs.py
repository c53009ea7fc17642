"""The read model `runs`: events when projected, then changes."""

from typing import Any

import pytest

from aigestion.events.conversation import UserAction, UserAskedAgain, UserVoice
from aigestion.events.event import Event
from aigestion.events.run import (
    ModelCompleted,
    ModelFailed,
    ModelRequested,
    RetrievedPassage,
    RunCancelled,
    RunCancelRequested,
    RunContextRetrieved,
    RunFailed,
    RunStarted,
)
from aigestion.kernel.ids import derived_id
from aigestion.projections.runs import project, runs
from aigestion.readstores.port import Put
from tests.support.history import BEGINNING, History, chat, id_of, replied

HARBOUR = id_of("harbour")
RUN = id_of("run")
WHO: dict[str, Any] = {"conversation_id": HARBOUR, "user_id": "ana", "agent": "assistant"}
CALL: dict[str, Any] = {
    "run_id": RUN,
    "conversation_id": HARBOUR,
    "agent": "assistant",
    "call_id": id_of("call"),
    "provider": "builtin",
    "requested_model": "builtin",
    "requested_at": BEGINNING,
}
STEPS: list[Event] = [
    RunContextRetrieved(run_id=RUN, turns=3, passages=()),
    ModelRequested(
        run_id=RUN,
        call_id=id_of("call"),
        attempt=1,
        provider="builtin",
        model="builtin",
        parameters={},
        manifest=(),
    ),
    ModelCompleted(
        **CALL,
        returned_model="builtin",
        finish_reason="stop",
        usage={},
        input_tokens=1,
        output_tokens=1,
        first_token_seconds=0.1,
        duration_seconds=0.2,
        output_hash="0",
    ),
    ModelFailed(**CALL, user_id="ana", reason="timeout", message="It took too long."),
]


@pytest.mark.parametrize("heard", [chat("When?"), UserVoice(**WHO, transcript="When?")])
def test_what_a_user_says_is_a_run_before_any_agent_takes_it_up(heard: Event) -> None:
    recorded = History().happened(heard)

    changes = project(recorded)

    assert changes == [
        Put(
            "runs",
            str(derived_id(recorded.id, "assistant")),
            {
                "tenant": "demo",
                "conversation_id": str(HARBOUR),
                "agent": "assistant",
                "in_reply_to": str(recorded.id),
                "event_position": 1,
                "heard_at": recorded.occurred_at,
                "state": "heard",
                "touched_at": recorded.recorded_at,
                "position": 1,
            },
        )
    ]


def test_asking_again_is_a_run_of_its_own_to_the_same_message() -> None:
    history = History()
    message = history.happened(chat("When?"))
    again = history.happened(UserAskedAgain(**WHO, event_id=message.id, event_position=1))

    [first], [second] = project(message), project(again)

    assert isinstance(first, Put)
    assert isinstance(second, Put)
    assert second.key == str(derived_id(again.id, "assistant")) != first.key
    assert second.fields["in_reply_to"] == first.fields["in_reply_to"] == str(message.id)
    assert (second.fields["state"], second.fields["event_position"]) == ("heard", 2)
    assert runs.key(again) == f"demo/run:{second.key}"


def test_an_action_that_nobody_need_hear_is_no_run() -> None:
    assert project(History().happened(UserAction(**WHO, name="cart.opened"))) == []


def test_a_run_that_starts_keeps_the_position_of_what_it_heard() -> None:
    history = History()
    heard = history.happened(chat("When?"))
    run_id = derived_id(heard.id, "assistant")
    recorded = history.happened(
        RunStarted(run_id=run_id, conversation_id=HARBOUR, agent="assistant", in_reply_to=heard.id)
    )

    [put] = project(recorded)

    assert isinstance(put, Put)
    assert put.key == project(heard)[0].key  # type: ignore[union-attr]
    assert put.fields["state"] == "started"
    assert "event_position" not in put.fields


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.stored_as)
def test_every_step_of_a_run_shows_that_somebody_works_on_it(step: Event) -> None:
    recorded = History().happened(step)

    changes = project(recorded)

    run = changes[0]
    assert isinstance(run, Put)
    assert (run.collection, run.key) == ("runs", str(RUN))
    assert run.fields["touched_at"] == recorded.recorded_at
    assert "state" not in run.fields


def test_what_was_found_is_on_the_run() -> None:
    passage = RetrievedPassage(document_id=id_of("log"), passage=2, score=0.03)
    recorded = History().happened(RunContextRetrieved(run_id=RUN, turns=3, passages=(passage,)))

    [put] = project(recorded)

    assert isinstance(put, Put)
    assert put.fields["retrieved_at"] == recorded.occurred_at
    assert put.fields["turns"] == 3
    assert put.fields["passages"] == [
        {"document_id": str(id_of("log")), "passage": 2, "score": 0.03}
    ]


def test_a_call_is_a_row_that_its_end_completes() -> None:
    _, requested, completed, failed = (project(History().happened(step))[-1] for step in STEPS)

    assert isinstance(requested, Put)
    assert isinstance(completed, Put)
    assert isinstance(failed, Put)
    assert {put.key for put in (requested, completed, failed)} == {str(id_of("call"))}
    assert {put.collection for put in (requested, completed, failed)} == {"calls"}
    assert (requested.fields["state"], requested.fields["attempt"]) == ("open", 1)
    assert (completed.fields["state"], completed.fields["input_tokens"]) == ("completed", 1)
    assert (failed.fields["state"], failed.fields["reason"]) == ("failed", "timeout")
    assert failed.fields["message"] == "It took too long."


def test_a_run_ends_with_a_reply_or_a_failure() -> None:
    history = History()
    heard = history.happened(chat("When?"))
    failure = RunFailed(
        **WHO, run_id=RUN, in_reply_to=heard.id, reason="limit", message="Too many steps."
    )

    [reply] = project(history.happened(replied(heard, "At nine.")))
    [failed] = project(history.happened(failure))

    assert isinstance(reply, Put)
    assert isinstance(failed, Put)
    assert (reply.fields["state"], failed.fields["state"]) == ("replied", "failed")


def test_a_run_that_was_stopped_says_when() -> None:
    asked = History().happened(
        RunCancelRequested(run_id=RUN, conversation_id=HARBOUR, agent="assistant")
    )
    over = History().happened(RunCancelled(**WHO, run_id=RUN, in_reply_to=id_of("heard")))

    [stopping], [stopped] = project(asked), project(over)

    assert isinstance(stopping, Put)
    assert isinstance(stopped, Put)
    assert stopping.fields["cancel_requested_at"] == asked.occurred_at
    assert "state" not in stopping.fields
    assert (stopped.fields["state"], stopped.fields["ended_at"]) == ("cancelled", over.occurred_at)


def test_it_reads_every_step() -> None:
    assert runs.reads is not None
    assert {type(step) for step in STEPS} < set(runs.reads)
