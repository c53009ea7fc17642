"""Use case: a conversation gets another title, goes to the archive, or comes back."""

from uuid import UUID

import msgspec

from aigestion.commands.conversation.state import INITIAL, Conversation, boundary, evolve
from aigestion.events.conversation import (
    ConversationArchived,
    ConversationRenamed,
    ConversationUnarchived,
)
from aigestion.kernel.decider import UseCase
from aigestion.kernel.errors import NotFound

Changed = ConversationRenamed | ConversationArchived | ConversationUnarchived


class ChangeConversation(msgspec.Struct, frozen=True, kw_only=True):
    """What is None stays as it is."""

    conversation_id: UUID
    title: str | None = None
    archived: bool | None = None


def decide(command: ChangeConversation, state: Conversation) -> list[Changed]:
    if state.user_id is None:
        raise NotFound("There is no such conversation.")
    changes: list[Changed] = []
    conversation_id, user_id = command.conversation_id, state.user_id
    if command.title not in (None, state.title):
        assert command.title is not None
        changes.append(
            ConversationRenamed(
                conversation_id=conversation_id, user_id=user_id, title=command.title
            )
        )
    if command.archived not in (None, state.archived):
        event = ConversationArchived if command.archived else ConversationUnarchived
        changes.append(event(conversation_id=conversation_id, user_id=user_id))
    return changes


change_conversation = UseCase(
    ChangeConversation, lambda command: boundary(command.conversation_id), INITIAL, evolve, decide
)
