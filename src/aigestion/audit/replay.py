"""Replay: a conversation as it stood at a position, folded from its events alone.

A fold of its own, on purpose: it shares nothing with the projections, so one can convict the other.
"""

from collections.abc import Iterable
from contextlib import aclosing
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from aigestion.audit.reading import pages
from aigestion.events.conversation import (
    AgentReplied,
    Citation,
    ConversationRenamed,
    ConversationStarted,
    UserAction,
    UserChat,
    UserVoice,
)
from aigestion.events.recorded import Recorded
from aigestion.events.run import ModelCompleted, ModelFailed, RunCancelled, RunFailed, RunStarted
from aigestion.eventstore.reader import Events
from aigestion.kernel.errors import NotFound
from aigestion.kernel.query import matching

PAGE_EVENTS_MAX = 500


class ModelCall(msgspec.Struct, frozen=True, kw_only=True):
    """How one call of a model ended."""

    position: int
    model: str
    outcome: str
    """The finish reason, or why it failed."""
    input_tokens: int | None = None
    output_tokens: int | None = None
    seconds: float | None = None


class Message(msgspec.Struct, kw_only=True, eq=False):
    """One message, as it stood."""

    position: int
    id: UUID
    """Of the user's event, or of the agent's run."""
    at: datetime
    role: Literal["user", "assistant"]
    author: str
    kind: Literal["chat", "voice", "action", "reply"]
    state: Literal["final", "writing", "failed", "cancelled"] = "final"
    text: str = ""
    name: str | None = None
    properties: dict[str, Any] | None = None
    in_reply_to: UUID | None = None
    citations: tuple[Citation, ...] = ()
    notice: str | None = None
    """What the user was told instead of a reply."""
    model_calls: tuple[ModelCall, ...] = ()
    erased: tuple[str, ...] = ()


class Replayed(msgspec.Struct, kw_only=True):
    """A conversation as it stood at `position`, the last of its events that was folded."""

    conversation_id: UUID
    tenant: str
    position: int
    user_id: str
    agent: str
    title: str | None
    started_at: datetime
    messages: list[Message]


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """A message that was there before, and is otherwise now."""

    before: Message
    after: Message


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a conversation between two positions."""

    conversation_id: UUID
    since: int
    position: int
    """The last of its events that counts."""
    began: bool
    """Whether it was started in between."""
    added: list[Message]
    changed: list[Changed]


async def replay(events: Events, conversation_id: UUID, *, at: int | None = None) -> Replayed:
    """Fold the conversation's events up to position `at`; `NotFound` if there are none."""
    replayed = fold(await _told(events, conversation_id, at))
    if replayed is None:
        raise _unknown(conversation_id, at)
    return replayed


async def changes(
    events: Events, conversation_id: UUID, *, since: int, at: int | None = None
) -> Changes:
    """What the events later than `since`, up to `at`, changed; `NotFound` if there was no conversation by then."""
    told = await _told(events, conversation_id, at)
    before, after = fold(one for one in told if one.position <= since), fold(told)
    if after is None:
        raise _unknown(conversation_id, at)
    known = {} if before is None else {message.id: message for message in before.messages}
    return Changes(
        conversation_id=conversation_id,
        since=since,
        position=after.position,
        began=before is None,
        added=[message for message in after.messages if message.id not in known],
        changed=[
            Changed(before=known[message.id], after=message)
            for message in after.messages
            if message.id in known and not same(known[message.id], message)
        ],
    )


def same(one: Message, other: Message) -> bool:
    """Whether two messages say the same."""
    return msgspec.structs.astuple(one) == msgspec.structs.astuple(other)


async def _told(events: Events, conversation_id: UUID, at: int | None) -> list[Recorded[Any]]:
    """The conversation's events up to a position."""
    query = matching(f"conversation:{conversation_id}")
    upto = await events.head() if at is None else at
    read = pages(events, query, after=0, upto=upto, page_events_max=PAGE_EVENTS_MAX)
    async with aclosing(read):
        return [event async for page in read for event in page]


def _unknown(conversation_id: UUID, at: int | None) -> NotFound:
    moment = "" if at is None else f" at position {at}"
    return NotFound(f"There is no conversation {conversation_id}{moment}.")


def fold(events: Iterable[Recorded[Any]]) -> Replayed | None:
    """The conversation these events tell of; None before it was started. Pure."""
    replayed: Replayed | None = None
    runs: dict[UUID, Message] = {}
    for event in events:
        if isinstance(event.data, ConversationStarted):
            replayed = _started(event, event.data)
        elif replayed is not None:
            if isinstance(event.data, ConversationRenamed):
                replayed.title = event.data.title
            _heard(event, replayed.messages)
            _answered(event, replayed.messages, runs)
            replayed.position = event.position
    return replayed


def _started(event: Recorded[Any], data: ConversationStarted) -> Replayed:
    return Replayed(
        conversation_id=data.conversation_id,
        tenant=event.tenant,
        position=event.position,
        user_id=data.user_id,
        agent=data.agent,
        title=data.title,
        started_at=event.occurred_at,
        messages=[],
    )


def _heard(event: Recorded[Any], messages: list[Message]) -> None:
    """What the user wrote, said or did."""
    match event.data:
        case UserChat(user_id=user, text=text):
            messages.append(_of_user(event, user, "chat", text))
        case UserVoice(user_id=user, transcript=transcript):
            messages.append(_of_user(event, user, "voice", transcript))
        case UserAction(user_id=user, name=name, properties=properties):
            message = _of_user(event, user, "action", "")
            message.name, message.properties = name, properties
            messages.append(message)
        case _:
            pass  # agents and models are the other half


def _answered(event: Recorded[Any], messages: list[Message], runs: dict[UUID, Message]) -> None:
    """What an agent did about it, run by run."""
    match event.data:
        case RunStarted(run_id=run_id, agent=agent, in_reply_to=in_reply_to):
            runs[run_id] = _of_agent(event, run_id, agent, in_reply_to)
            messages.append(runs[run_id])
        case ModelCompleted(run_id=run_id) if run_id in runs:
            runs[run_id].model_calls += (_completed(event.position, event.data),)
        case ModelFailed(run_id=run_id, partial_text=partial) if run_id in runs:
            runs[run_id].model_calls += (_failed(event.position, event.data),)
            runs[run_id].text = partial or ""
        case AgentReplied(text=text, citations=citations):
            message = _ended(event, event.data, messages, runs)
            message.state, message.text, message.citations = "final", text, citations
        case RunFailed(message=notice):
            message = _ended(event, event.data, messages, runs)
            message.state, message.notice = "failed", notice
        case RunCancelled():
            _ended(event, event.data, messages, runs).state = "cancelled"
        case _:
            pass  # users are the other half


def _ended(
    event: Recorded[Any],
    data: AgentReplied | RunFailed | RunCancelled,
    messages: list[Message],
    runs: dict[UUID, Message],
) -> Message:
    """The run's message, moved to where it ended. A run without a recorded start is shown all the same."""
    message = runs.get(data.run_id)
    if message is None:
        message = runs[data.run_id] = _of_agent(event, data.run_id, data.agent, data.in_reply_to)
    else:
        messages.remove(message)
    messages.append(message)
    message.position, message.at, message.erased = event.position, event.occurred_at, event.erased
    return message


def _of_user(
    event: Recorded[Any], user: str, kind: Literal["chat", "voice", "action"], text: str
) -> Message:
    return Message(
        position=event.position,
        id=event.id,
        at=event.occurred_at,
        role="user",
        author=user,
        kind=kind,
        text=text,
        erased=event.erased,
    )


def _of_agent(event: Recorded[Any], run_id: UUID, agent: str, in_reply_to: UUID) -> Message:
    return Message(
        position=event.position,
        id=run_id,
        at=event.occurred_at,
        role="assistant",
        author=agent,
        kind="reply",
        state="writing",
        in_reply_to=in_reply_to,
    )


def _completed(position: int, data: ModelCompleted) -> ModelCall:
    return ModelCall(
        position=position,
        model=data.returned_model,
        outcome=data.finish_reason,
        input_tokens=data.input_tokens,
        output_tokens=data.output_tokens,
        seconds=data.duration_seconds,
    )


def _failed(position: int, data: ModelFailed) -> ModelCall:
    return ModelCall(
        position=position,
        model=data.requested_model,
        outcome=data.reason,
        seconds=data.duration_seconds,
    )
