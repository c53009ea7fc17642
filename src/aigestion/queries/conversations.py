"""The read model `conversations`, asked: list, transcript, the last turns."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import asyncpg
import msgspec

from aigestion.events.conversation import Citation
from aigestion.projections.progress import Progress
from aigestion.queries.answer import Answer, Page

TRANSCRIPT_MESSAGES_MAX = 2_000

Role = Literal["user", "assistant"]
Kind = Literal["chat", "voice", "action", "reply"]
State = Literal["final", "interrupted", "failed"]


class ConversationSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the list of conversations."""

    conversation_id: UUID
    title: str | None
    agent: str
    user_id: str
    started_at: datetime
    last_at: datetime
    """When something was last said or done in it."""
    messages: int
    position: int
    """Of the event that started it; the list is ordered by it, newest first."""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """Something a user said or did, or an agent's reply."""

    id: UUID
    """The event's id for a user's message, the run's id for a reply."""
    role: Role
    kind: Kind
    text: str
    """Empty for an action."""
    name: str | None
    """An action's name."""
    properties: dict[str, Any] | None
    """An action's properties."""
    citations: list[Citation]
    state: State
    """`interrupted`: the model broke off, its run goes on. `failed`: the run ended without a reply;
    `text` is what had come, `notice` what the user is told."""
    notice: str | None
    in_reply_to: UUID | None
    run_id: UUID | None
    position: int
    occurred_at: datetime


class Transcript(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation with its messages, oldest first."""

    conversation_id: UUID
    title: str | None
    agent: str
    user_id: str
    started_at: datetime
    messages: list[Message]
    """At most the last `TRANSCRIPT_MESSAGES_MAX`."""
    earlier_messages: int = 0
    """How many older ones were left out; `turns` reads them."""


class ConversationQueries:
    """Conversations of one tenant; another tenant's do not exist."""

    def __init__(self, pool: asyncpg.Pool, progress: Progress) -> None:
        self._pool = pool
        self._progress = progress

    async def page(
        self, tenant: str, *, limit: int, cursor: str | None = None, min_position: int = 0
    ) -> Answer[Page[ConversationSummary]]:
        """The newest conversations first. `InvalidInput` for a bad limit or cursor."""
        raise NotImplementedError

    async def transcript(
        self, tenant: str, conversation_id: UUID, *, min_position: int = 0
    ) -> Answer[Transcript]:
        """A conversation and what was said in it. `NotFound` if the tenant has none of that id."""
        raise NotImplementedError

    async def turns(
        self,
        tenant: str,
        conversation_id: UUID,
        *,
        before: int,
        limit: int,
        min_position: int = 0,
    ) -> Answer[list[Message]]:
        """The last `limit` messages before a position, oldest first; none for an unknown id."""
        raise NotImplementedError
