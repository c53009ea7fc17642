"""The read model `activity`: one row an event, of every type, to be counted."""

from collections.abc import Sequence
from typing import Any

from aigestion.events.conversation import AgentReplied, UserAction, UserChat, UserVoice
from aigestion.events.event import Event
from aigestion.events.recorded import Recorded
from aigestion.projections.keys import by_event
from aigestion.projections.projection import Projection
from aigestion.readstores.port import Change, Put


def project(recorded: Recorded[Any]) -> Sequence[Change]:
    """What an event was and when, without a word of what was said in it."""
    event = recorded.data
    conversation_id = getattr(event, "conversation_id", None)
    fields = {
        "tenant": recorded.tenant,
        "position": recorded.position,
        "type": recorded.type,
        "actor": recorded.actor,
        "conversation_id": None if conversation_id is None else str(conversation_id),
        "agent": getattr(event, "agent", None),
        "action": event.name if isinstance(event, UserAction) else None,
        "text_chars": 0 if recorded.erased else _text_chars(event),
        "occurred_at": recorded.occurred_at,
        "recorded_at": recorded.recorded_at,
    }
    return [Put("activity", str(recorded.id), fields)]


def _text_chars(event: Event) -> int:
    """How long what was said is; 0 for what is not speech."""
    match event:
        case UserChat() | AgentReplied():
            return len(event.text)
        case UserVoice():
            return len(event.transcript)
        case _:
            return 0


activity = Projection(
    name="activity",
    version=1,
    store="analytics",
    collections=("activity",),
    reads=None,
    key=by_event,
    project=project,
)
