"""What a message of a conversation is to a model; the same from the read model and from the log."""

import json
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from aigestion.events.conversation import AgentReplied, UserAction, UserChat, UserVoice
from aigestion.events.event import Event
from aigestion.llm.port import Turn
from aigestion.projections.text import storable
from aigestion.queries.conversations import Message

TURN_EVENTS = (
    UserChat.stored_as,
    UserVoice.stored_as,
    UserAction.stored_as,
    AgentReplied.stored_as,
)
"""Types of which each event is one turn."""


def turn_of_message(message: Message) -> Turn | None:
    """None for a reply that broke off: the model is not shown what was never said to its end."""
    if message.state != "final":
        return None
    if message.kind == "action":
        return Turn("user", _action_text(message.name or "", message.properties or {}))
    return Turn(message.role, message.text)


def turn_of_event(event: Event) -> Turn:
    """Its text is what the read model shows of it, to the character."""
    match event:
        case UserChat(text=text):
            return Turn("user", storable(text))
        case UserVoice(transcript=transcript):
            return Turn("user", storable(transcript))
        case UserAction(name=name, properties=properties):
            return Turn("user", _action_text(storable(name), properties))
        case AgentReplied(text=text):
            return Turn("assistant", storable(text))
        case _:
            raise TypeError(f"{type(event).__name__} is no turn of a conversation")


def as_told(turns: Iterable[tuple[UUID | None, Turn]]) -> tuple[Turn, ...]:
    """Turns in the order of the log, each with the message it replies to, as the user sees them now.

    Of several replies to one message the last one counts, and stands where the first one stood.
    """
    told: list[Turn] = []
    places: dict[UUID, int] = {}
    for in_reply_to, turn in turns:
        if in_reply_to is None:
            told.append(turn)
        elif in_reply_to in places:
            told[places[in_reply_to]] = turn
        else:
            places[in_reply_to] = len(told)
            told.append(turn)
    return tuple(told)


def _action_text(name: str, properties: dict[str, Any]) -> str:
    """Keys are sorted: stores that keep objects as sets give them back in another order."""
    return f"(action) {name} {json.dumps(properties, ensure_ascii=False, sort_keys=True)}"
