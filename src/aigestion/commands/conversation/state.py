"""What the rules of a conversation read: whose it is, who answers, its title, whether it is archived."""

from uuid import UUID

import msgspec

from aigestion.events.conversation import (
    ConversationArchived,
    ConversationRenamed,
    ConversationStarted,
    ConversationUnarchived,
    UserAction,
    UserAskedAgain,
    UserChat,
    UserVoice,
)
from aigestion.kernel.errors import ConversationIsArchived, NotFound
from aigestion.kernel.ids import text_of
from aigestion.kernel.query import Query, matching

ConversationEvent = (
    ConversationStarted | ConversationRenamed | ConversationArchived | ConversationUnarchived
    | UserChat | UserVoice | UserAction | UserAskedAgain
)  # fmt: skip


class Conversation(msgspec.Struct, frozen=True):
    """Only what a decision needs."""

    user_id: str | None = None
    agent: str | None = None
    title: str | None = None
    archived: bool = False

    @property
    def exists(self) -> bool:
        return self.user_id is not None


INITIAL = Conversation()


def boundary(conversation_id: UUID) -> Query:
    """Replies and messages never get in each other's way: what is said decides nothing."""
    types = (
        ConversationStarted.stored_as,
        ConversationRenamed.stored_as,
        ConversationArchived.stored_as,
        ConversationUnarchived.stored_as,
    )
    return matching(f"conversation:{text_of(conversation_id)}", types=types)


def evolve(state: Conversation, event: ConversationEvent) -> Conversation:
    change = msgspec.structs.replace
    match event:
        case ConversationStarted():
            return Conversation(event.user_id, event.agent, event.title)
        case ConversationRenamed():
            return change(state, title=event.title)
        case ConversationArchived():
            return change(state, archived=True)
        case ConversationUnarchived():
            return change(state, archived=False)
        case UserChat() | UserVoice() | UserAction() | UserAskedAgain():
            return state


def open_to(state: Conversation) -> tuple[str, str]:
    """Whose it is and who answers, if something may be said in it.

    `NotFound` if there is none, `ConversationIsArchived` if it must be taken out of the archive first.
    """
    if state.user_id is None or state.agent is None:
        raise NotFound("There is no such conversation.")
    if state.archived:
        raise ConversationIsArchived("The conversation is archived; unarchive it to go on with it.")
    return state.user_id, state.agent
