"""Use case: a user wants another reply to something said before. The first one stays in the log."""

from typing import Literal
from uuid import UUID

import msgspec

from aigestion.commands.conversation.state import INITIAL, Conversation, boundary, evolve, open_to
from aigestion.events.conversation import UserAskedAgain
from aigestion.kernel.decider import UseCase
from aigestion.kernel.errors import Refused


class AskAgain(msgspec.Struct, frozen=True, kw_only=True):
    """`event_id` and the rest say which message of the conversation: the caller has looked it up."""

    conversation_id: UUID
    event_id: UUID
    event_position: int
    kind: Literal["chat", "voice", "action"]


def decide(command: AskAgain, state: Conversation) -> list[UserAskedAgain]:
    user_id, agent = open_to(state)
    if command.kind == "action":
        raise Refused("Nobody replies to an action, so there is no other reply to it.")
    return [
        UserAskedAgain(
            conversation_id=command.conversation_id,
            user_id=user_id,
            agent=agent,
            event_id=command.event_id,
            event_position=command.event_position,
        )
    ]


ask_again = UseCase(
    AskAgain, lambda command: boundary(command.conversation_id), INITIAL, evolve, decide
)
