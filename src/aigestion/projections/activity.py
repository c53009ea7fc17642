"""The read model `activity`: one row an event, of every type, to be counted and listed."""

from collections.abc import Sequence
from typing import Any

from aigestion.events.conversation import AgentReplied, UserAction, UserChat, UserVoice
from aigestion.events.event import Event
from aigestion.events.recorded import Recorded
from aigestion.projections.keys import by_event
from aigestion.projections.projection import Projection
from aigestion.readstores.port import Change, Put

EXCERPT_CHARS_MAX = 160
"""Enough to recognise a message in a list; its whole text is in the read model `conversations`."""


def project(recorded: Recorded[Any]) -> Sequence[Change]:
    """What an event was and when; of what was said in it no more than its beginning."""
    event = recorded.data
    speech = None if recorded.erased else _speech(event)
    conversation_id = getattr(event, "conversation_id", None)
    fields = {
        "tenant": recorded.tenant,
        "position": recorded.position,
        "type": recorded.type,
        "actor": recorded.actor,
        "conversation_id": None if conversation_id is None else str(conversation_id),
        "agent": getattr(event, "agent", None),
        "action": event.name if isinstance(event, UserAction) else None,
        "text_chars": len(speech or ""),
        "excerpt": None if speech is None else speech[:EXCERPT_CHARS_MAX],
        "occurred_at": recorded.occurred_at,
        "recorded_at": recorded.recorded_at,
    }
    return [Put("activity", str(recorded.id), fields)]


def _speech(event: Event) -> str | None:
    """What was said; None for what is not speech."""
    match event:
        case UserChat() | AgentReplied():
            return event.text
        case UserVoice():
            return event.transcript
        case _:
            return None


activity = Projection(
    name="activity",
    version=2,
    store="analytics",
    collections=("activity",),
    reads=None,
    key=by_event,
    project=project,
)
