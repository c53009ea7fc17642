"""The read model `activity`: one row an event, of every type, to be counted and listed."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from aigestion.events.conversation import (
    AgentReplied,
    UserAction,
    UserAskedAgain,
    UserChat,
    UserVoice,
)
from aigestion.events.event import Event
from aigestion.events.recorded import Recorded
from aigestion.events.run import RunContextRetrieved
from aigestion.kernel.ids import derived_id, text_of
from aigestion.projections.keys import by_event
from aigestion.projections.projection import Projection
from aigestion.readstores.port import Change, Put

EXCERPT_CHARS_MAX = 160
"""Enough to recognise a message in a list; its whole text is in the read model `conversations`."""

_HEARD = (UserChat, UserVoice, UserAskedAgain)


def project(recorded: Recorded[Any]) -> Sequence[Change]:
    """What an event was and when; of what was said in it no more than its beginning."""
    event = recorded.data
    speech = None if recorded.erased else _speech(event)
    passages = event.passages if isinstance(event, RunContextRetrieved) else None
    fields = {
        "tenant": recorded.tenant,
        "position": recorded.position,
        "type": recorded.type,
        "actor": recorded.actor,
        "conversation_id": _text(getattr(event, "conversation_id", None)),
        "agent": getattr(event, "agent", None),
        "user_id": getattr(event, "user_id", None),
        "run_id": _text(_run_id(recorded)),
        "in_reply_to": _text(getattr(event, "in_reply_to", None)),
        "action": event.name if isinstance(event, UserAction) else None,
        "reason": getattr(event, "reason", None),
        "passages": None if passages is None else len(passages),
        "best_score": max(one.score for one in passages) if passages else None,
        "citations": len(event.citations) if isinstance(event, AgentReplied) else None,
        "text_chars": len(speech or ""),
        "excerpt": None if speech is None else speech[:EXCERPT_CHARS_MAX],
        "occurred_at": recorded.occurred_at,
        "recorded_at": recorded.recorded_at,
    }
    return [Put("activity", text_of(recorded.id), fields)]


def _speech(event: Event) -> str | None:
    """What was said; None for what is not speech."""
    match event:
        case UserChat() | AgentReplied():
            return event.text
        case UserVoice():
            return event.transcript
        case _:
            return None


def _run_id(recorded: Recorded[Any]) -> UUID | None:
    """What was heard, or asked again, belongs to the run that answers it."""
    event = recorded.data
    if isinstance(event, _HEARD):
        return derived_id(recorded.id, event.agent)
    return getattr(event, "run_id", None)


def _text(id_: UUID | None) -> str | None:
    return None if id_ is None else text_of(id_)


activity = Projection(
    name="activity",
    version=3,
    store="analytics",
    collections=("activity",),
    reads=None,
    key=by_event,
    project=project,
)
