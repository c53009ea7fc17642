"""Use case: a user starts a conversation with an agent."""

from uuid import UUID

import msgspec

from aigestion.commands.conversation.state import INITIAL, Conversation, boundary, evolve
from aigestion.events.conversation import ConversationStarted
from aigestion.kernel.decider import UseCase


class StartConversation(msgspec.Struct, frozen=True, kw_only=True):
    """`conversation_id` is fresh, so starting it twice is a repeated request."""

    conversation_id: UUID
    user_id: str
    agent: str
    title: str | None = None
    agent_version: int | None = None


def decide(command: StartConversation, state: Conversation) -> list[ConversationStarted]:
    if state.exists:
        return []
    return [
        ConversationStarted(
            conversation_id=command.conversation_id,
            user_id=command.user_id,
            agent=command.agent,
            title=command.title,
            agent_version=command.agent_version,
        )
    ]


start_conversation = UseCase(
    StartConversation, lambda command: boundary(command.conversation_id), INITIAL, evolve, decide
)
