"""A conversation folded from the log alone, as it stood at any position."""

from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from aigestion.audit import replay as replay_module
from aigestion.audit.replay import Replayed, changes, replay
from aigestion.events.conversation import ConversationRenamed, UserAction, UserVoice
from aigestion.events.run import ModelFailed, RunCancelled, RunFailed
from aigestion.eventstore.reader import LogReader, TenantEvents
from aigestion.kernel.errors import NotFound
from tests.unit.audit.histories import (
    ASKED,
    COMPLETED,
    CONVERSATION,
    HEARD,
    QUESTION,
    RECORDED,
    REPLIED,
    RUN,
    STARTED,
    STORY,
    WHO,
    Truth,
)

MODEL_FAILED = ModelFailed(
    run_id=RUN,
    conversation_id=CONVERSATION,
    agent="assistant",
    user_id="ana",
    call_id=COMPLETED.call_id,
    provider="openai",
    requested_model="gpt-5-mini",
    reason="cut-off",
    message="The stream broke off.",
    requested_at=RECORDED,
    duration_seconds=2.0,
    partial_text="It has no",
)
RUN_FAILED = RunFailed(
    **WHO,
    run_id=RUN,
    in_reply_to=QUESTION,
    reason="cut-off",
    message="The model broke off; please ask again.",
)


@pytest.fixture
def truth(tmp_path: Path) -> Truth:
    return Truth(tmp_path)


async def replayed(truth: Truth, at: int | None = None, tenant: str = "demo") -> Replayed:
    return await replay(events_of(truth, tenant), CONVERSATION, at=at)


def events_of(truth: Truth, tenant: str = "demo") -> TenantEvents:
    return TenantEvents(LogReader(truth.history, truth.codec), tenant)


def told(conversation: Replayed) -> list[tuple[str, str, str]]:
    return [(message.role, message.state, message.text) for message in conversation.messages]


async def test_a_conversation_is_told_as_it_went(truth: Truth) -> None:
    await truth.tell()

    conversation = await replayed(truth)

    assert told(conversation) == [
        ("user", "final", ASKED.text),
        ("assistant", "final", REPLIED.text),
    ]
    assert (conversation.title, conversation.user_id) == ("Holes", "ana")
    assert conversation.position == len(STORY)
    question, answer = conversation.messages
    assert (question.position, answer.position) == (2, 5)
    assert answer.at == RECORDED + timedelta(minutes=5)
    assert answer.in_reply_to == question.id == QUESTION
    assert answer.citations == REPLIED.citations
    (call,) = answer.model_calls
    assert (call.model, call.outcome, call.output_tokens) == ("builtin-1", "stop", 7)


async def test_before_the_reply_the_agent_was_writing(truth: Truth) -> None:
    await truth.tell()

    conversation = await replayed(truth, at=3)

    assert told(conversation) == [("user", "final", ASKED.text), ("assistant", "writing", "")]
    assert conversation.position == 3


async def test_a_reply_stands_where_it_ended(truth: Truth) -> None:
    voice = UserVoice(**WHO, transcript="and quickly")
    await truth.tell([STARTED, ASKED, HEARD, voice, REPLIED])

    conversation = await replayed(truth)

    assert [message.kind for message in conversation.messages] == ["chat", "voice", "reply"]


async def test_an_action_keeps_its_name_and_properties(truth: Truth) -> None:
    await truth.tell([STARTED, UserAction(**WHO, name="click", properties={"n": 1})])

    (action,) = (await replayed(truth)).messages

    assert (action.kind, action.name, action.properties) == ("action", "click", {"n": 1})


async def test_the_title_is_the_one_it_had_then(truth: Truth) -> None:
    renamed = ConversationRenamed(
        conversation_id=CONVERSATION, user_id="ana", title="Without holes"
    )
    await truth.tell([STARTED, renamed])

    assert (await replayed(truth, at=1)).title == STARTED.title
    assert (await replayed(truth)).title == "Without holes"


async def test_a_failed_run_keeps_the_partial_text_and_what_the_user_was_told(
    truth: Truth,
) -> None:
    await truth.tell([STARTED, ASKED, HEARD, MODEL_FAILED, RUN_FAILED])

    answer = (await replayed(truth)).messages[-1]

    assert (answer.state, answer.text) == ("failed", "It has no")
    assert answer.notice == RUN_FAILED.message
    assert [call.outcome for call in answer.model_calls] == ["cut-off"]


async def test_a_reply_that_was_stopped_keeps_what_was_said(truth: Truth) -> None:
    stopped = RunCancelled(**WHO, run_id=RUN, in_reply_to=QUESTION)
    await truth.tell([STARTED, ASKED, HEARD, MODEL_FAILED, stopped])

    assert told(await replayed(truth))[-1] == ("assistant", "cancelled", "It has no")


async def test_a_reply_whose_start_is_missing_is_told_all_the_same(truth: Truth) -> None:
    await truth.tell([STARTED, ASKED, REPLIED])

    assert told(await replayed(truth))[-1] == ("assistant", "final", REPLIED.text)


async def test_what_was_erased_is_named(truth: Truth) -> None:
    await truth.tell()
    await truth.vault.destroy("demo", "user:ana")

    conversation = await replayed(truth)

    assert [message.erased for message in conversation.messages] == [("text",), ("text",)]
    assert told(conversation)[0] == ("user", "final", "[erased]")


async def test_an_unknown_conversation_is_not_found(truth: Truth) -> None:
    await truth.tell()

    with pytest.raises(NotFound):
        await replay(events_of(truth), UUID(int=1))


async def test_another_tenants_conversation_is_not_found(truth: Truth) -> None:
    await truth.tell()

    with pytest.raises(NotFound):
        await replayed(truth, tenant="other")


async def test_before_it_was_started_it_is_not_found(truth: Truth) -> None:
    await truth.tell([*STORY])

    with pytest.raises(NotFound, match="at position 0"):
        await replayed(truth, at=0)


@pytest.mark.parametrize("at", [None, 7, 8, 9])
async def test_a_long_conversation_is_read_in_pages(
    truth: Truth, monkeypatch: pytest.MonkeyPatch, at: int | None
) -> None:
    monkeypatch.setattr(replay_module, "PAGE_EVENTS_MAX", 4)
    await truth.tell([STARTED, *([ASKED] * 11)])

    conversation = await replayed(truth, at=at)

    assert len(conversation.messages) == (at or 12) - 1
    assert max(truth.history.pages) <= 4


async def test_what_changed_between_two_positions(truth: Truth) -> None:
    await truth.tell()

    whole = await changes(events_of(truth), CONVERSATION, since=1)
    answered = await changes(events_of(truth), CONVERSATION, since=3)
    nothing = await changes(events_of(truth), CONVERSATION, since=5)

    assert [message.role for message in whole.added] == ["user", "assistant"]
    assert (whole.began, whole.changed) == (False, [])
    [reply] = answered.changed
    assert (reply.before.state, reply.after.state) == ("writing", "final")
    assert (answered.since, answered.position, answered.added) == (3, 5, [])
    assert (nothing.added, nothing.changed) == ([], [])


async def test_before_its_start_there_is_nothing_to_differ_from(truth: Truth) -> None:
    await truth.tell([ASKED, *STORY])

    began = await changes(events_of(truth), CONVERSATION, since=1, at=3)

    assert began.began
    assert [message.position for message in began.added] == [3]
    with pytest.raises(NotFound):
        await changes(events_of(truth), CONVERSATION, since=0, at=1)
