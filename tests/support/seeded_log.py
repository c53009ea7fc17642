"""A seeded history, written into the log of a running program; and the log, read back to be folded."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from aigestion.bootstrap.offline import OpenLog, open_log
from aigestion.events.conversation import ConversationStarted
from aigestion.events.event import Event
from aigestion.eventstore.port import NewEvent
from aigestion.kernel.context import Context
from aigestion.kernel.ids import new_id
from tests.support.history import History
from tests.support.seeded_history import seeded_history

TENANT = "harbour"
EVENTS_APPENDED_AT_ONCE = 1_000
AGENTS = ("guide", "clerk")
"""Names that no agent has: what is seeded has happened, and nobody is to answer it now."""


async def seed(data_dir: Path, interactions: int, begin: datetime) -> int:
    """Write them for the tenant `TENANT`; returns the last position."""
    history = seeded_history(interactions, tenants=(TENANT,), agents=AGENTS, begin=begin)
    conversations: dict[Any, ConversationStarted] = {}
    for recorded in history.events:
        said = recorded.data
        if recorded.type.startswith("user."):
            conversations.setdefault(
                said.conversation_id,
                ConversationStarted(
                    conversation_id=said.conversation_id,
                    user_id=said.user_id,
                    agent=said.agent,
                    title=f"About the harbour {len(conversations) + 1}",
                ),
            )
    async with open_log(data_dir, appending=True) as log:
        new = [await _new(log, one, begin) for one in conversations.values()]
        new += [await _new(log, one.data, one.occurred_at, one.id) for one in history.events]
        return await _append(log, new)


async def read_back(data_dir: Path) -> History:
    """What stands in the log now."""
    async with open_log(data_dir) as log:
        history = History()
        history.events = await log.reader.read()
        return history


async def _new(log: OpenLog, event: Event, at: datetime, event_id: Any = None) -> NewEvent:
    context = Context(tenant=TENANT, actor="user:seeded")
    return await log.codec.seal(event, context, event_id=event_id or new_id(), occurred_at=at)


async def _append(log: OpenLog, new: Sequence[NewEvent]) -> int:
    head = 0
    for start in range(0, len(new), EVENTS_APPENDED_AT_ONCE):
        head = await log.store.append(new[start : start + EVENTS_APPENDED_AT_ONCE])
    return head
