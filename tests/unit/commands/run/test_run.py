"""The rules of a run: started once, one call at a time, one end."""

from datetime import UTC, datetime
from uuid import UUID

import msgspec
import pytest

from aigestion.commands.run.cancel_run import CancelRun
from aigestion.commands.run.complete_model_call import CompleteModelCall
from aigestion.commands.run.end_cancelled_run import EndCancelledRun
from aigestion.commands.run.fail_model_call import FailModelCall
from aigestion.commands.run.fail_run import FailRun
from aigestion.commands.run.record_context import RecordContext
from aigestion.commands.run.request_model import RequestModel
from aigestion.commands.run.start_run import StartRun
from aigestion.commands.run.state import Origin
from aigestion.events.conversation import AgentReplied
from aigestion.events.run import (
    ModelCompleted,
    ModelFailed,
    ModelRequested,
    RunCancelled,
    RunCancelRequested,
    RunContextRetrieved,
    RunFailed,
    RunStarted,
)
from aigestion.kernel.errors import NotFound, Refused, RunHasEnded
from aigestion.testing import given

RUN, CONVERSATION, HEARD = UUID(int=1), UUID(int=2), UUID(int=3)
FIRST_CALL, SECOND_CALL = UUID(int=4), UUID(int=5)
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)

START = StartRun(run_id=RUN, conversation_id=CONVERSATION, agent="assistant", in_reply_to=HEARD)
STARTED = RunStarted(run_id=RUN, conversation_id=CONVERSATION, agent="assistant", in_reply_to=HEARD)
CONTEXT = RunContextRetrieved(run_id=RUN, turns=0, passages=())
REQUEST = RequestModel(
    run_id=RUN, call_id=FIRST_CALL, attempt=1, provider="p", model="m", parameters={}, manifest=()
)
REQUESTED = ModelRequested(
    run_id=RUN, call_id=FIRST_CALL, attempt=1, provider="p", model="m", parameters={}, manifest=()
)
COMPLETED = ModelCompleted(
    run_id=RUN, conversation_id=CONVERSATION, agent="assistant", call_id=FIRST_CALL, provider="p",
    requested_model="m", returned_model="m-1", finish_reason="stop", usage={}, input_tokens=1,
    output_tokens=1, requested_at=NOON, first_token_seconds=0.1, duration_seconds=0.2,
    output_hash="h",
)  # fmt: skip
REPLIED = AgentReplied(
    conversation_id=CONVERSATION, user_id="ana", agent="assistant", run_id=RUN, in_reply_to=HEARD,
    text="Because.",
)  # fmt: skip
CALL_FAILED = ModelFailed(
    run_id=RUN, conversation_id=CONVERSATION, agent="assistant", user_id="ana", call_id=FIRST_CALL,
    provider="p", requested_model="m", reason="timeout", message="", requested_at=NOON,
)  # fmt: skip
FAILED = RunFailed(
    run_id=RUN, conversation_id=CONVERSATION, user_id="ana", agent="assistant", in_reply_to=HEARD,
    reason="timeout", message="Too late.",
)  # fmt: skip
STOP = CancelRun(run_id=RUN)
STOPPING = RunCancelRequested(run_id=RUN, conversation_id=CONVERSATION, agent="assistant")
CUT = msgspec.structs.replace(CALL_FAILED, reason="cancelled", partial_text="Bec")
CANCELLED = RunCancelled(
    run_id=RUN, conversation_id=CONVERSATION, user_id="ana", agent="assistant", in_reply_to=HEARD
)
ERASED = msgspec.structs.replace(FAILED, reason="erased")
SECOND_REQUEST = msgspec.structs.replace(REQUEST, call_id=SECOND_CALL, attempt=2)


def test_a_run_is_started_once() -> None:
    given().when(START).then(STARTED)
    given(STARTED).when(START).then_nothing()
    given(STARTED, FAILED).when(START).then_nothing()


def test_a_run_finds_its_context_once() -> None:
    record = RecordContext(run_id=RUN, turns=0, passages=())

    given(STARTED).when(record).then(CONTEXT)
    given(STARTED, CONTEXT).when(record).then_nothing()
    given().when(record).then_nothing()


def test_a_model_is_asked_by_a_run_that_goes_on() -> None:
    given(STARTED, CONTEXT).when(REQUEST).then(REQUESTED)


@pytest.mark.parametrize(
    "before",
    [(), (STARTED, REQUESTED), (STARTED, FAILED), (STARTED, REQUESTED, COMPLETED, REPLIED)],
)
def test_no_model_is_asked_before_beside_or_after(before: tuple[RunStarted, ...]) -> None:
    given(*before).when(SECOND_REQUEST).then_refused(Refused)


def test_after_a_failed_call_another_may_be_made() -> None:
    before = (STARTED, CONTEXT, REQUESTED, CALL_FAILED)

    [requested] = given(*before).when(SECOND_REQUEST).events or []

    assert requested == msgspec.structs.replace(REQUESTED, call_id=SECOND_CALL, attempt=2)


def test_a_call_is_made_once_though_two_are_at_work_on_the_run() -> None:
    """The second to look saw no call, and now the first one's has ended."""
    given(STARTED, CONTEXT, REQUESTED, CALL_FAILED).when(REQUEST).then_refused(Refused)


def test_answer_and_reply_come_together_and_once() -> None:
    complete = CompleteModelCall(COMPLETED, REPLIED)

    given(STARTED, REQUESTED).when(complete).then(COMPLETED, REPLIED)
    given(STARTED, REQUESTED, COMPLETED, REPLIED).when(complete).then_nothing()


def test_a_late_answer_to_a_call_given_up_is_no_news() -> None:
    late = CompleteModelCall(COMPLETED, REPLIED)
    second = msgspec.structs.replace(REQUESTED, call_id=SECOND_CALL, attempt=2)

    given(STARTED, REQUESTED, CALL_FAILED).when(late).then_nothing()
    given(STARTED, REQUESTED, CALL_FAILED, second).when(late).then_nothing()


def test_a_failed_call_may_end_the_run_with_it() -> None:
    given(STARTED, REQUESTED).when(FailModelCall(CALL_FAILED)).then(CALL_FAILED)
    given(STARTED, REQUESTED).when(FailModelCall(CALL_FAILED, FAILED)).then(CALL_FAILED, FAILED)
    given(STARTED).when(FailModelCall(CALL_FAILED, FAILED)).then_nothing()


def test_a_run_fails_once_and_not_over_an_open_call() -> None:
    given(STARTED).when(FailRun(FAILED)).then(FAILED)
    given(STARTED, FAILED).when(FailRun(FAILED)).then_nothing()
    given(STARTED, REQUESTED).when(FailRun(FAILED)).then_nothing()
    given(STARTED, REQUESTED, COMPLETED, REPLIED).when(FailRun(FAILED)).then_nothing()


def test_an_open_call_must_have_its_own_end_first() -> None:
    given(STARTED, REQUESTED).when(FailRun(ERASED)).then_nothing()
    given(STARTED).when(FailRun(ERASED)).then(ERASED)


def test_a_run_is_asked_to_stop_once() -> None:
    given(STARTED).when(STOP).then(STOPPING)
    given(STARTED, STOPPING).when(STOP).then_nothing()
    given(STARTED, STOPPING, CANCELLED).when(STOP).then_nothing()


def test_a_run_that_is_only_heard_is_asked_to_stop_where_it_belongs() -> None:
    heard = msgspec.structs.replace(STOP, heard=Origin(CONVERSATION, "assistant"))

    given().when(STOP).then_refused(NotFound)
    given().when(heard).then(STOPPING)
    given(STOPPING).when(START).then(STARTED)


@pytest.mark.parametrize("end", [(REQUESTED, COMPLETED, REPLIED), (FAILED,)])
def test_a_run_that_has_ended_cannot_be_stopped(end: tuple[RunFailed, ...]) -> None:
    given(STARTED, *end).when(STOP).then_refused(RunHasEnded)


def test_a_stopped_run_ends_with_its_open_call() -> None:
    over, cut = EndCancelledRun(CANCELLED), EndCancelledRun(CANCELLED, CUT)

    given(STARTED, STOPPING).when(over).then(CANCELLED)
    given(STARTED, REQUESTED, STOPPING).when(cut).then(CUT, CANCELLED)
    given(STARTED, REQUESTED, STOPPING, COMPLETED, REPLIED).when(cut).then_nothing()
    given(STARTED, REQUESTED, STOPPING, CUT, CANCELLED).when(cut).then_nothing()


def test_an_open_call_of_somebody_else_keeps_the_run_going() -> None:
    second = msgspec.structs.replace(REQUESTED, call_id=SECOND_CALL, attempt=2)

    given(STARTED, REQUESTED, STOPPING).when(EndCancelledRun(CANCELLED)).then_nothing()
    given(STARTED, second, STOPPING).when(EndCancelledRun(CANCELLED, CUT)).then_nothing()


def test_nobody_cancels_a_run_that_nobody_asked_to_stop() -> None:
    given(STARTED).when(EndCancelledRun(CANCELLED)).then_nothing()


def test_a_stopped_run_asks_no_model_and_does_not_fail() -> None:
    given(STARTED, STOPPING, CANCELLED).when(REQUEST).then_refused(Refused)
    given(STARTED, STOPPING, CANCELLED).when(FailRun(FAILED)).then_nothing()
