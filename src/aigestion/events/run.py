"""Runs: one agent's reaction to one event, recorded step by step (laws 7, 8, 11, 13)."""

from datetime import datetime
from typing import Annotated, Any, ClassVar
from uuid import UUID

import msgspec

from aigestion.events.event import AgentName, ConversationId, Event, Personal, RunId, UserId


class RunStarted(Event, frozen=True, kw_only=True):
    """An agent took up an event it heard."""

    stored_as: ClassVar[str] = "run.started"
    version: ClassVar[int] = 2
    run_id: RunId
    conversation_id: ConversationId
    agent: AgentName
    in_reply_to: UUID
    agent_version: int = 0
    """The version of the agent's definition that answers; 0 is the program's own."""


class RetrievedPassage(msgspec.Struct, frozen=True):
    """One passage the search brought, and how good it looked."""

    document_id: UUID
    passage: int
    score: float
    """Reciprocal rank fusion of the vector and the full-text rank."""


class RunContextRetrieved(Event, frozen=True, kw_only=True):
    """What the agent found before it asked a model."""

    stored_as: ClassVar[str] = "run.context_retrieved"
    run_id: RunId
    turns: int
    """How many earlier messages of the conversation are in the context."""
    passages: tuple[RetrievedPassage, ...]


class ModelRequested(Event, frozen=True, kw_only=True):
    """A model is about to be asked; recorded before the call (law 7)."""

    stored_as: ClassVar[str] = "model.requested"
    run_id: RunId
    call_id: UUID
    """Idempotency key of the call, derived from run and attempt."""
    attempt: int
    provider: str
    model: str
    parameters: dict[str, Any]
    manifest: tuple[str, ...]
    """The context manifest: one reference a part, in order, `<role>:<source>:<hash>` (law 11)."""


class ModelCompleted(Event, frozen=True, kw_only=True):
    """A model answered; its text is in the `agent.replied` that was appended with this event."""

    stored_as: ClassVar[str] = "model.completed"
    run_id: RunId
    conversation_id: ConversationId
    agent: AgentName
    call_id: UUID
    provider: str
    requested_model: str
    returned_model: str
    finish_reason: str
    usage: dict[str, Any]
    """The provider's own usage object, untouched (law 13)."""
    input_tokens: int | None
    output_tokens: int | None
    requested_at: datetime
    first_token_seconds: float | None
    duration_seconds: float
    output_hash: str


class ModelFailed(Event, frozen=True, kw_only=True):
    """A model call ended without an answer, or nobody knows how it ended (`reason: unknown`)."""

    stored_as: ClassVar[str] = "model.failed"
    run_id: RunId
    conversation_id: ConversationId
    agent: AgentName
    user_id: UserId
    call_id: UUID
    provider: str
    requested_model: str
    reason: str
    """`timeout`, `rate-limited`, `overloaded`, `refused`, `garbage`, `cut-off`, `unreachable`, `erased`, `cancelled`,
    `unknown`."""
    message: str
    requested_at: datetime
    duration_seconds: float | None = None
    usage: dict[str, Any] = msgspec.field(default_factory=dict)
    partial_text: Annotated[str | None, Personal("user_id")] = None
    """What had come before it broke off."""


class RunFailed(Event, frozen=True, kw_only=True):
    """A run ended without a reply; the user is told `message`."""

    stored_as: ClassVar[str] = "run.failed"
    run_id: RunId
    conversation_id: ConversationId
    user_id: UserId
    agent: AgentName
    in_reply_to: UUID
    reason: str
    message: str
    """A sentence for the user, without anything personal in it."""


class RunCancelRequested(Event, frozen=True, kw_only=True):
    """Somebody wants a run to stop; whoever works on it does so as soon as it knows."""

    stored_as: ClassVar[str] = "run.cancel_requested"
    run_id: RunId
    conversation_id: ConversationId
    agent: AgentName


class RunCancelled(Event, frozen=True, kw_only=True):
    """A run was stopped. What it had said is in the `model.failed` that was appended with this event."""

    stored_as: ClassVar[str] = "run.cancelled"
    run_id: RunId
    conversation_id: ConversationId
    user_id: UserId
    agent: AgentName
    in_reply_to: UUID


EVENTS: tuple[type[Event], ...] = (
    RunStarted,
    RunContextRetrieved,
    ModelRequested,
    ModelCompleted,
    ModelFailed,
    RunFailed,
    RunCancelRequested,
    RunCancelled,
)


# Older shapes


def run_started_from_1(fields: dict[str, Any]) -> dict[str, Any]:
    """Before agents had versions there was the program's own definition only."""
    return {**fields, "agent_version": 0}
