"""A true history to tamper with: sealed events as the log holds them, and the messages of the broker."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import msgspec

from aigestion.audit.finding import OpenedLog
from aigestion.events.catalog import Catalog
from aigestion.events.conversation import AgentReplied, Citation, ConversationStarted, UserChat
from aigestion.events.event import Event
from aigestion.events.run import ModelCompleted, RunStarted
from aigestion.eventstore.codec import Codec
from aigestion.eventstore.master_key import FileMasterKey
from aigestion.eventstore.memory import MemoryBlobStore, MemoryKeyTable, matches
from aigestion.eventstore.port import SequencedEvent
from aigestion.eventstore.vault import Vault
from aigestion.kernel.context import Context
from aigestion.kernel.ids import derived_id, new_id
from aigestion.kernel.query import EVERYTHING, Query
from aigestion.messaging.cloudevents import to_message
from aigestion.messaging.port import Message

RECORDED = datetime(2026, 5, 4, 12, tzinfo=UTC)
CONVERSATION = UUID("0199aa10-0000-7000-8000-000000000001")
DOCUMENT = UUID("0199aa10-0000-7000-8000-0000000000dd")
QUESTION = UUID("0199aa10-0000-7000-8000-0000000000aa")
RUN = derived_id(QUESTION, "assistant")

WHO = {"conversation_id": CONVERSATION, "user_id": "ana", "agent": "assistant"}
STARTED = ConversationStarted(**WHO, title="Holes")
ASKED = UserChat(**WHO, text="¿Qué es una posición densa?")
HEARD = RunStarted(
    run_id=RUN, conversation_id=CONVERSATION, agent="assistant", in_reply_to=QUESTION
)
COMPLETED = ModelCompleted(
    run_id=RUN,
    conversation_id=CONVERSATION,
    agent="assistant",
    call_id=derived_id(RUN, "model"),
    provider="builtin",
    requested_model="builtin",
    returned_model="builtin-1",
    finish_reason="stop",
    usage={},
    input_tokens=12,
    output_tokens=7,
    requested_at=RECORDED,
    first_token_seconds=0.1,
    duration_seconds=0.5,
    output_hash="00",
)
REPLIED = AgentReplied(
    **WHO,
    run_id=RUN,
    in_reply_to=QUESTION,
    text="It has no holes [1].",
    citations=(Citation(1, DOCUMENT, 3, "Architecture"),),
)
STORY: tuple[Event, ...] = (STARTED, ASKED, HEARD, COMPLETED, REPLIED)


class History:
    """Rows as an `EventStore` would answer them, but nothing keeps them right."""

    def __init__(self, rows: list[SequencedEvent], head: int | None = None) -> None:
        self.rows = rows
        self.pages: list[int] = []
        self._head = head

    async def append(self, *_: object) -> int:
        raise AssertionError("an audit does not write")

    async def read(
        self, query: Query = EVERYTHING, *, after: int = 0, limit: int | None = None
    ) -> list[SequencedEvent]:
        found = [r for r in self.rows if r.position > after and matches(query, r.event)][:limit]
        self.pages.append(len(found))
        return found

    async def find(self, event_id: UUID) -> SequencedEvent | None:
        return next((row for row in self.rows if row.event.id == event_id), None)

    async def head(self) -> int:
        return self.rows[-1].position if self._head is None else self._head

    def change(self, position: int, **fields: object) -> None:
        """Tamper with what stands at a position."""
        row = self.rows[position - 1]
        event = msgspec.structs.replace(row.event, **fields)
        self.rows[position - 1] = msgspec.structs.replace(row, event=event)


class Truth:
    """A history, and what opens it."""

    def __init__(self, directory: Path) -> None:
        self.vault = Vault(MemoryKeyTable(), FileMasterKey(directory / "master.key"))
        self.blobs = MemoryBlobStore()
        self.catalog = Catalog()
        self.codec = Codec(self.catalog, self.vault, self.blobs)
        self.history = History([])

    @property
    def log(self) -> OpenedLog:
        return OpenedLog(self.history, self.codec.open)

    async def tell(self, events: Sequence[Event] = STORY, tenant: str = "demo") -> None:
        """Append, one minute after another."""
        for event in events:
            position = len(self.history.rows) + 1
            at = RECORDED + timedelta(minutes=position)
            event_id = QUESTION if event is ASKED else new_id()
            context = Context(tenant=tenant, actor="user:ana")
            sealed = await self.codec.seal(event, context, event_id=event_id, occurred_at=at)
            row = SequencedEvent(position=position, recorded_at=at, event=sealed)
            self.history.rows.append(row)

    async def messages(self) -> list[Message]:
        """What the relay would have published."""
        return [to_message(await self.codec.open(row)) for row in self.history.rows]


class Stream:
    """Messages as a broker would bring them, but nothing keeps them right."""

    retention = timedelta(days=7)

    def __init__(self, messages: list[Message], last: int | None) -> None:
        self.held = messages
        self.last = last

    async def last_sequence(self) -> int | None:
        return self.last

    async def create(self, first_sequence: int) -> None:
        raise AssertionError("an audit does not write")

    async def event_id_at(self, sequence: int) -> UUID | None:
        raise AssertionError("not asked")

    async def publish(self, batch: Sequence[Message]) -> None:
        raise AssertionError("an audit does not write")

    async def messages(self, after: int) -> AsyncIterator[list[Message]]:
        later = [message for message in self.held if message.position > after]
        for start in range(0, len(later), 2):
            yield later[start : start + 2]
        while True:
            yield []


def ignore(_position: int) -> None:
    """Progress nobody looks at."""
