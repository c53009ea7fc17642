"""Events as they would stand in the log, recorded by hand: position after position, a second apart."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from aigestion.events.conversation import AgentReplied, ConversationStarted, UserChat
from aigestion.events.event import Event, tags_of
from aigestion.events.knowledge import DocumentAdded
from aigestion.events.recorded import Recorded
from aigestion.kernel.ids import derived_id

BEGINNING = datetime(2026, 5, 1, 12, 30, 0, 123456, tzinfo=UTC)
_NAMES = UUID("5a7d4c62-6b1e-5c7e-9f57-1b0d8f0c4e11")


def id_of(name: str) -> UUID:
    """The same id for the same name, run after run."""
    return uuid5(_NAMES, name)


class History:
    """A log of recorded events, without a database."""

    def __init__(self) -> None:
        self.events: list[Recorded[Any]] = []
        self._places: Counter[str] = Counter()

    def happened(
        self, event: Event, *, tenant: str = "demo", erased: tuple[str, ...] = ()
    ) -> Recorded[Any]:
        """The next event; its id depends on nothing but the tenant and its place among the tenant's."""
        place = self._places[tenant]
        self._places[tenant] += 1
        position = len(self.events) + 1
        occurred_at = BEGINNING + timedelta(seconds=position)
        recorded = Recorded(
            position=position,
            id=id_of(f"event/{tenant}/{place}"),
            type=event.stored_as,
            schema_version=event.version,
            tags=tags_of(event),
            tenant=tenant,
            actor="user:ana",
            correlation_id=id_of("correlation"),
            causation_id=None,
            occurred_at=occurred_at,
            recorded_at=occurred_at + timedelta(milliseconds=3),
            data=event,
            erased=erased,
        )
        self.events.append(recorded)
        return recorded

    @property
    def head(self) -> int:
        return len(self.events)


def started(name: str = "harbour", **fields: Any) -> ConversationStarted:
    return ConversationStarted(
        **{"conversation_id": id_of(name), "user_id": "ana", "agent": "assistant", "title": None}
        | fields
    )


def chat(text: str, name: str = "harbour", **fields: Any) -> UserChat:
    return UserChat(
        **{"conversation_id": id_of(name), "user_id": "ana", "agent": "assistant"} | fields,
        text=text,
    )


def replied(to: Recorded[Any], text: str, **fields: Any) -> AgentReplied:
    return AgentReplied(
        **{
            "conversation_id": to.data.conversation_id,
            "user_id": to.data.user_id,
            "agent": to.data.agent,
            "run_id": derived_id(to.id, to.data.agent),
            "in_reply_to": to.id,
            "text": text,
        }
        | fields
    )


def document(name: str, text: str, **fields: Any) -> DocumentAdded:
    return DocumentAdded(
        **{
            "document_id": id_of(name),
            "title": name,
            "media_type": "text/markdown",
            "source": f"docs/{name}.md",
            "content_hash": "0" * 32,
        }
        | fields,
        text=text,
    )
