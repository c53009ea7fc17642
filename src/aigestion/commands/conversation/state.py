"""What the rules of a conversation read: that it exists, whose it is, who answers."""

from uuid import UUID

import msgspec

from aigestion.events.conversation import ConversationStarted
from aigestion.kernel.query import Query, matching


class Conversation(msgspec.Struct, frozen=True):
    """Only what a decision needs."""

    user_id: str | None = None
    agent: str | None = None

    @property
    def exists(self) -> bool:
        return self.user_id is not None


INITIAL = Conversation()


def boundary(conversation_id: UUID) -> Query:
    """Replies and messages never get in each other's way: only its start decides anything."""
    return matching(f"conversation:{conversation_id}", types=(ConversationStarted.stored_as,))


def evolve(state: Conversation, event: ConversationStarted) -> Conversation:
    return Conversation(event.user_id, event.agent)
