"""The read model `conversations`, asked: list, transcript, the last turns."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import asyncpg
import msgspec

from aigestion.events.conversation import Citation
from aigestion.kernel.errors import NotFound, Unavailable
from aigestion.projections.keys import key_of
from aigestion.projections.progress import Progress
from aigestion.queries.answer import BIGINT_MAX, Answer, Cursors, Page, Position, checked_limit
from aigestion.queries.statements import fetch
from aigestion.readstores.port import View

TRANSCRIPT_MESSAGES_MAX = 2_000

Role = Literal["user", "assistant"]
Kind = Literal["chat", "voice", "action", "reply"]
State = Literal["final", "interrupted", "failed", "cancelled"]


class ConversationFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which conversations are asked for; what is None does not matter."""

    archived: bool | None = None
    agent: str | None = None
    user_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    """Something was last said in it from `since` on, and before `until`."""


EVERY = ConversationFilter()


class ConversationSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the list of conversations."""

    conversation_id: UUID
    title: str | None
    agent: str
    user_id: str
    started_at: datetime
    last_at: datetime
    """When something was last said or done in it."""
    archived: bool
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
    `text` is what had come, `notice` what the user is told. `cancelled`: somebody stopped it there."""
    notice: str | None
    in_reply_to: UUID | None
    replaced: bool = False
    """The user asked again: a later reply to the same message stands in its place."""
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
    archived: bool
    messages: list[Message]
    """At most the last `TRANSCRIPT_MESSAGES_MAX`."""
    earlier_messages: int = 0
    """How many older ones were left out; `turns` reads them."""
    stale: bool = False
    """Something may be missing: the conversation waits in quarantine."""


class ConversationQueries:
    """Conversations of one tenant; another tenant's do not exist."""

    def __init__(self, pool: asyncpg.Pool, progress: Progress) -> None:
        self._pool = pool
        self._progress = progress

    async def page(
        self,
        tenant: str,
        which: ConversationFilter = EVERY,
        *,
        limit: int,
        cursor: str | None = None,
        min_position: int = 0,
    ) -> Answer[Page[ConversationSummary]]:
        """The newest conversations first. `InvalidInput` for a bad limit or cursor."""
        checked_limit(limit)
        cursors = Cursors(_Before, ("conversations", tenant, which))
        key = cursors.decode(cursor)
        view, position = await self._progress.at_least("conversations", min_position)
        stale = self._progress.stale("conversations", tenant)
        rows = await fetch(
            self._pool,
            "conversations_page",
            view,
            tenant,
            key.position if key else None,
            which.archived,
            which.agent,
            which.user_id,
            which.since,
            which.until,
            limit + 1,
        )
        found = [msgspec.convert(dict(row), ConversationSummary) for row in rows]
        page = cursors.page(found, limit, lambda last: _Before(last.position))
        return Answer(position, page, stale)

    async def transcript(
        self, tenant: str, conversation_id: UUID, *, min_position: int = 0
    ) -> Answer[Transcript]:
        """A conversation and what was said in it. `NotFound` if the tenant has none of that id.

        `Unavailable` if its beginning is in quarantine.
        """
        view, position = await self._progress.at_least("conversations", min_position)
        stale = self._stale(tenant, conversation_id)
        found = await fetch(self._pool, "conversation", view, tenant, str(conversation_id))
        if not found:
            if stale:
                raise Unavailable("The conversation is in quarantine.", engine="conversations")
            raise NotFound("There is no such conversation.")
        messages = await self._last(
            view, tenant, conversation_id, BIGINT_MAX, TRANSCRIPT_MESSAGES_MAX
        )
        earlier = max(0, found[0]["messages"] - len(messages))
        fields = {**found[0], "messages": messages, "earlier_messages": earlier}
        return Answer(position, msgspec.convert(fields, Transcript), stale)

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
        checked_limit(limit)
        view, position = await self._progress.at_least("conversations", min_position)
        stale = self._stale(tenant, conversation_id)
        messages = await self._last(view, tenant, conversation_id, before, limit)
        return Answer(position, messages, stale)

    async def message(
        self, tenant: str, conversation_id: UUID, message_id: UUID, *, min_position: int = 0
    ) -> Answer[Message]:
        """One message. `NotFound` if the tenant's conversation has none of that id.

        `Unavailable` if it may be in quarantine.
        """
        view, position = await self._progress.at_least("conversations", min_position)
        ids = str(conversation_id), str(message_id)
        found = await fetch(self._pool, "message", view, tenant, *ids)
        stale = self._stale(tenant, conversation_id)
        if not found:
            if stale:
                raise Unavailable("The conversation is in quarantine.", engine="conversations")
            raise NotFound("There is no such message in the conversation.")
        return Answer(position, _message(found[0]), stale)

    async def titles(self, tenant: str, conversation_ids: Iterable[UUID]) -> dict[UUID, str]:
        """The titles of those conversations that have one."""
        view, _ = await self._progress.at_least("conversations")
        ids = [str(conversation_id) for conversation_id in conversation_ids]
        rows = await fetch(self._pool, "conversation_titles", view, tenant, ids)
        return {UUID(row["conversation_id"]): row["title"] for row in rows}

    def _stale(self, tenant: str, conversation_id: UUID) -> bool:
        key = key_of(tenant, "conversation", conversation_id)
        return self._progress.stale("conversations", tenant, key)

    async def _last(
        self, view: View, tenant: str, conversation_id: UUID, before: int, limit: int
    ) -> list[Message]:
        rows = await fetch(
            self._pool, "last_messages", view, tenant, str(conversation_id), before, limit
        )
        return _with_replaced([_message(row) for row in rows])[::-1]


class _Before(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    position: Position


def _message(row: asyncpg.Record) -> Message:
    properties, citations = row["properties"], row["citations"]
    fields = {
        **row,
        "properties": None if properties is None else msgspec.json.decode(properties),
        "citations": [] if citations is None else msgspec.json.decode(citations),
    }
    return msgspec.convert(fields, Message)


def _with_replaced(messages: Iterable[Message]) -> list[Message]:
    """The same messages, the latest first; those that a later reply replaces say so."""
    replied: set[UUID] = set()
    found: list[Message] = []
    for message in messages:
        if message.in_reply_to in replied:
            message = msgspec.structs.replace(message, replaced=True)
        elif message.in_reply_to is not None and message.state == "final":
            replied.add(message.in_reply_to)
        found.append(message)
    return found
