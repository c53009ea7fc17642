"""What goes over a conversation's socket, both ways, and the codes it is closed with."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from pydantic import Field, RootModel, StringConstraints

from aigestion.api.answers import IDEMPOTENCY_KEY_CHARS_MAX
from aigestion.api.body import Body
from aigestion.api.delivery import DRAINING, FAULT, TOO_SLOW, Ending
from aigestion.api.v1.interactions import ActionInteraction, ChatInteraction, VoiceInteraction

PROTOCOL = "aigestion.v1"
"""The subprotocol; a page's script offers it beside those that carry its key."""
ID_CHARS_MAX = 64
BAD_MESSAGES_MAX = 10
"""So many in a row that cannot be read are told what is wrong with them; then the socket is closed."""

BAD_MESSAGES = "bad-messages"
TOO_LARGE = "too-large"


class CloseCode(msgspec.Struct, frozen=True):
    """Why the server closes a socket, as WebSocket says it."""

    code: int
    meaning: str


_TRY_AGAIN = CloseCode(
    1013, "An engine does not answer, or too much is going on: connect again in a while."
)
_KEY = CloseCode(4401, "The key was revoked or has expired: connect with another one.")

CLOSE_CODES: Mapping[str, CloseCode] = {
    DRAINING: CloseCode(1001, "This server stops: connect again at once, to another one."),
    TOO_LARGE: CloseCode(1009, "A message was larger than a body of a request may be."),
    FAULT: CloseCode(1011, "A fault on our side."),
    "engine-unavailable": _TRY_AGAIN,
    "overloaded": _TRY_AGAIN,
    "view-behind": _TRY_AGAIN,
    BAD_MESSAGES: CloseCode(
        4400, f"{BAD_MESSAGES_MAX} messages in a row that could not be read: mend the program."
    ),
    "key-revoked": _KEY,
    "key-expired": _KEY,
    "unauthenticated": _KEY,
    TOO_SLOW: CloseCode(4408, "Nothing was taken for 30 seconds: connect again, and read."),
}
"""By the `code` of the last message, `end` or `dropped`."""


class Sent(Body):
    """What all messages to the server have in common."""

    id: Annotated[
        str | None,
        StringConstraints(min_length=1, max_length=ID_CHARS_MAX),
        Field(description="Comes back with the answer."),
    ] = None


class Command(Sent):
    """Something that is recorded, so that it can be sent again without harm."""

    idempotency_key: Annotated[
        str | None,
        StringConstraints(
            min_length=1, max_length=IDEMPOTENCY_KEY_CHARS_MAX, pattern=r"^[\x20-\x7e]*$"
        ),
        Field(
            description="Sent again with it, on any socket of the conversation, nothing is done twice."
        ),
    ] = None

    def content(self) -> bytes:
        """What makes two of them the same."""
        return self.model_dump_json(exclude={"id", "idempotency_key"}).encode()


class ChatSent(ChatInteraction, Command):
    """The user wrote something."""


class VoiceSent(VoiceInteraction, Command):
    """The user said something."""


class ActionSent(ActionInteraction, Command):
    """The user did something."""


class CancelSent(Command):
    """A run shall stop."""

    type: Literal["cancel"]
    run_id: UUID


class PingSent(Sent):
    """Is anybody there?"""

    type: Literal["ping"]


class Received(
    RootModel[
        Annotated[
            ChatSent | VoiceSent | ActionSent | CancelSent | PingSent, Field(discriminator="type")
        ]
    ]
):
    """What a client may send; `type` says what it is."""


class Frame(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the server sends that is not of the stream: an answer, or the last word."""

    event: Literal["accepted", "problem", "pong", "heartbeat", "end", "dropped"]
    data: Any = None
    position: int | None = None
    """Where in the log it is, of what was accepted."""
    id: str | None = None
    """The client's."""


def close_of(ending: Ending, said: bool) -> tuple[int, str]:
    """Code and reason of a close. The reason names the code of `end` and the position to go on behind.

    Not if the last message was not taken: then only the client knows what it has got.
    """
    known = CLOSE_CODES.get(ending.code, CLOSE_CODES[FAULT])
    return known.code, f"{ending.code} after={ending.after}" if said else ending.code


class _Named(msgspec.Struct):
    id: str | None = None


def id_in(text: str) -> str | None:
    """The id of a message that is otherwise not as it should be."""
    try:
        given = msgspec.json.decode(text, type=_Named).id
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return None
    return given if given and len(given) <= ID_CHARS_MAX else None
