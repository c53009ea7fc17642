"""A house in memory to run agents in: a real log, codec, vault and dispatcher; searches over lists."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from aigestion.agents.catalog import AGENTS
from aigestion.agents.context import ContextSearch
from aigestion.agents.definition import AgentDefinition, Limits
from aigestion.agents.deps import AgentDeps
from aigestion.agents.runner import AgentRunner
from aigestion.commands.conversation.post_interaction import Chat, PostInteraction
from aigestion.commands.conversation.start_conversation import StartConversation
from aigestion.commands.dispatcher import Dispatcher
from aigestion.commands.knowledge.add_document import AddDocument
from aigestion.events.catalog import Catalog
from aigestion.events.conversation import AgentReplied, UserAction, UserChat, UserVoice
from aigestion.events.recorded import Recorded
from aigestion.eventstore.codec import Codec
from aigestion.eventstore.master_key import FileMasterKey
from aigestion.eventstore.memory import MemoryBlobStore, MemoryEventStore, MemoryKeyTable
from aigestion.eventstore.reader import LogReader
from aigestion.eventstore.vault import Vault
from aigestion.kernel.context import Context
from aigestion.kernel.errors import AIGestionError
from aigestion.kernel.query import matching
from aigestion.llm.port import ChatModel
from aigestion.messaging.locks import Locks, MemoryLocks
from aigestion.messaging.port import Delta
from aigestion.projections.chunking import passages_of
from aigestion.queries.answer import Answer
from aigestion.queries.conversations import Message
from aigestion.queries.passage_hit import PassageHit

TENANT = "demo"
CONVERSATION = UUID("01990000-0000-7000-8000-00000000000c")
DOCUMENT = UUID("01990000-0000-7000-8000-00000000000d")
DOCUMENT_TEXT = "# Laws\n\nPositions are dense: one, two, three, without holes."
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
LIMITS = Limits(context_seconds_max=0.05, call_seconds_max=0.2)
ANA = Context(tenant=TENANT, actor="user:ana")


@dataclass
class Searches:
    """Stands for the three queries; each may fail with an error of its own."""

    reader: LogReader
    hits: list[PassageHit] = field(default_factory=list)
    turns_error: AIGestionError | None = None
    words_error: AIGestionError | None = None
    meaning_error: AIGestionError | None = None
    asked: list[str] = field(default_factory=list)
    said: list[Message] = field(default_factory=list)
    read_up_to: int = 0

    def _of(self, documents: Collection[UUID] | None) -> list[PassageHit]:
        return [one for one in self.hits if documents is None or one.document_id in documents]

    async def turns(
        self, tenant: str, conversation_id: UUID, *, before: int, limit: int, min_position: int = 0
    ) -> Answer[list[Message]]:
        if self.turns_error:
            raise self.turns_error
        query = matching(f"conversation:{conversation_id}").scoped(tenant)
        for one in await self.reader.read(query, after=self.read_up_to):
            self.read_up_to = one.position
            self.said += [message] if (message := _message(one)) else []
        return Answer(min_position, [m for m in self.said if m.position < before][-limit:])

    async def passages(
        self,
        tenant: str,
        q: str,
        limit: int,
        *,
        documents: Collection[UUID] | None = None,
        min_position: int = 0,
    ) -> Answer[list[PassageHit]]:
        if self.words_error:
            raise self.words_error
        return Answer(min_position, self._of(documents)[:limit])

    async def nearest(
        self,
        tenant: str,
        text: str,
        *,
        limit: int,
        documents: Collection[UUID] | None = None,
        min_position: int = 0,
    ) -> Answer[list[PassageHit]]:
        self.asked.append(text)
        if self.meaning_error:
            raise self.meaning_error
        return Answer(min_position, self._of(documents)[:limit])


@dataclass
class Live:
    """Keeps the pieces that went out live."""

    pieces: list[str] = field(default_factory=list)

    async def publish(self, tenant: str, delta: Delta) -> None:
        self.pieces.append(delta.text)


class House:
    """One log, and whatever runs over it."""

    def __init__(self, directory: Path, model: ChatModel, limits: Limits = LIMITS) -> None:
        self.store = MemoryEventStore()
        self.blobs = MemoryBlobStore()
        self.vault = Vault(MemoryKeyTable(), FileMasterKey(directory / "master.key"))
        self.codec = Codec(Catalog(), self.vault, self.blobs)
        self.reader = LogReader(self.store, self.codec)
        self.searches = Searches(self.reader)
        self.live = Live()
        self.locks: Locks = MemoryLocks()
        self.slept: list[float] = []
        self.agents = tuple(_limited(agent, limits) for agent in AGENTS)
        self.deps = AgentDeps(
            dispatcher=Dispatcher(self.store, self.codec),
            reader=self.reader,
            search=ContextSearch(self.searches, self.searches, self.searches),
            model=model,
            live=self.live,
            hashes=self.vault,
            blobs=self.blobs,
            sleep=self._sleep,
        )

    def runner(self, **changes: Any) -> AgentRunner:
        """A runner of its own, as another process would have one: nothing is remembered."""
        changes = {"dispatcher": Dispatcher(self.store, self.codec), **changes}
        return AgentRunner(self.agents, replace(self.deps, **changes), self.locks)

    async def say(self, text: str) -> int:
        """Ana says something in the conversation; returns the position."""
        dispatcher = self.deps.dispatcher
        start = StartConversation(conversation_id=CONVERSATION, user_id="ana", agent="assistant")
        await dispatcher.dispatch(start, ANA)
        post = PostInteraction(conversation_id=CONVERSATION, what=Chat(text))
        return (await dispatcher.dispatch(post, ANA)).position

    async def know(self, text: str = DOCUMENT_TEXT) -> None:
        """Add a document whose passages every search finds."""
        add = AddDocument(
            document_id=DOCUMENT, title="Laws", media_type="text/markdown", source=None, text=text,
            content_hash="h",
        )  # fmt: skip
        await self.deps.dispatcher.dispatch(add, ANA)
        self.searches.hits = [
            PassageHit(DOCUMENT, n, "Laws", passage, 0.9)
            for n, passage in enumerate(passages_of(text, "text/markdown"))
        ]

    async def types(self) -> list[str]:
        """The types of all events after the user's last message."""
        types = [one.type for one in await self.reader.read()]
        last = max(index for index, kind in enumerate(types) if kind.startswith("user."))
        return types[last + 1 :]

    async def last(self, stored_as: str) -> Any:
        """The last event of a type."""
        return [one.data for one in await self.reader.read() if one.type == stored_as][-1]

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


def _limited(agent: AgentDefinition, limits: Limits) -> AgentDefinition:
    return AgentDefinition(
        name=agent.name,
        description=agent.description,
        hears=agent.hears,
        instructions=agent.instructions,
        limits=limits,
    )


def _message(one: Recorded[Any]) -> Message | None:
    match one.data:
        case UserChat(text=text):
            return _turn(one, "user", "chat", text)
        case UserVoice(transcript=text):
            return _turn(one, "user", "voice", text)
        case UserAction(name=name, properties=properties):
            return _turn(one, "user", "action", "", name=name, properties=properties)
        case AgentReplied(text=text, in_reply_to=in_reply_to):
            return _turn(one, "assistant", "reply", text, in_reply_to=in_reply_to)
        case _:
            return None


def _turn(one: Recorded[Any], role: Any, kind: Any, text: str, **more: Any) -> Message:
    fields = {"name": None, "properties": None, "in_reply_to": None, **more}
    return Message(
        id=one.id, role=role, kind=kind, text=text, citations=[], state="final", notice=None,
        run_id=None, position=one.position, occurred_at=one.occurred_at, **fields,
    )  # fmt: skip
