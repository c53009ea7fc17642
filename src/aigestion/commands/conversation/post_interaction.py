"""Use case: a user writes, says or does something in a conversation."""

from typing import Any
from uuid import UUID

import msgspec

from aigestion.commands.conversation.state import INITIAL, Conversation, boundary, evolve, open_to
from aigestion.events.conversation import UserAction, UserChat, UserVoice
from aigestion.events.event import Event
from aigestion.kernel.decider import UseCase


class Chat(msgspec.Struct, frozen=True):
    text: str


class Voice(msgspec.Struct, frozen=True):
    transcript: str
    language: str | None = None
    duration_seconds: float | None = None


class Action(msgspec.Struct, frozen=True):
    name: str
    properties: dict[str, Any]


class PostInteraction(msgspec.Struct, frozen=True, kw_only=True):
    """What the user did; who the user is comes from the conversation."""

    conversation_id: UUID
    what: Chat | Voice | Action


def decide(command: PostInteraction, state: Conversation) -> list[Event]:
    user_id, agent = open_to(state)
    who: dict[str, Any] = {
        "conversation_id": command.conversation_id,
        "user_id": user_id,
        "agent": agent,
    }
    match command.what:
        case Chat(text):
            return [UserChat(**who, text=text)]
        case Voice(transcript, language, duration_seconds):
            return [
                UserVoice(
                    **who,
                    transcript=transcript,
                    language=language,
                    duration_seconds=duration_seconds,
                )
            ]
        case Action(name, properties):
            return [UserAction(**who, name=name, properties=properties)]


post_interaction = UseCase(
    PostInteraction, lambda command: boundary(command.conversation_id), INITIAL, evolve, decide
)
