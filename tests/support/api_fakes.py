"""The API over a log in memory: real commands, real feed; read models that a test fills by hand."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from prometheus_client import CollectorRegistry

from aigestion.agents.catalog import AGENTS
from aigestion.agents.definition import as_event
from aigestion.api.doors import Doors, Limits
from aigestion.api.keys import MintedKey, mint_key, token_hash
from aigestion.api.projection_door import ProjectionDoor
from aigestion.commands.dispatcher import Dispatcher
from aigestion.events.catalog import Catalog
from aigestion.events.directory import SCOPES
from aigestion.eventstore.codec import Codec
from aigestion.eventstore.keyring import KeyTable
from aigestion.eventstore.memory import (
    MemoryBlobStore,
    MemoryCheckpointStore,
    MemoryEventStore,
    MemoryKeyTable,
)
from aigestion.eventstore.port import BlobStore
from aigestion.eventstore.postgres import PostgresEventStore
from aigestion.eventstore.reader import LogReader
from aigestion.eventstore.vault import Vault
from aigestion.kernel.context import Context, Request
from aigestion.kernel.errors import Corrupt, IdempotencyKeyReused, NotFound, Refused
from aigestion.messaging.asyncapi import document_json
from aigestion.messaging.live import Listener
from aigestion.messaging.port import Delta, LiveItem, Wake
from aigestion.projections.fingerprint import Fingerprint
from aigestion.projections.progress import Progress
from aigestion.projections.rebuild import Rebuilt, RolledBack
from aigestion.projections.redrive import Redriven
from aigestion.projections.stages import OnProgress
from aigestion.queries.answer import Answer, Cursors, Page, checked_limit
from aigestion.queries.conversations import (
    ConversationFilter,
    ConversationSummary,
    Message,
    Transcript,
)
from aigestion.queries.directory import AgentRecord
from aigestion.queries.documents import Document, DocumentSummary
from aigestion.queries.feed import FeedQueries
from aigestion.queries.keys import KeyRecord, KeySummary
from aigestion.queries.report_question import CheckedQuestion
from aigestion.queries.reports import Row
from aigestion.queries.runs import Run, RunFilter, RunSummary
from aigestion.queries.search import Hit
from aigestion.ratelimit.routes import RouteLimits
from aigestion.readstores.parked import ParkedKey
from aigestion.readstores.port import View

OPERATOR_TOKEN = "operator-token-of-the-tests"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
VIEW = View("conversations", 1, 1)


class MemoryMasterKey:
    """Wraps with a key of this process."""

    def __init__(self) -> None:
        self._cipher = AESGCM(bytes(32))

    def wrap(self, data_key: bytes, context: bytes) -> bytes:
        return self._cipher.encrypt(bytes(12), data_key, context)

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        return self._cipher.decrypt(bytes(12), wrapped, context)


class FakeKeys:
    """Keys that were put into it."""

    def __init__(self) -> None:
        self.keys: dict[str, KeyRecord] = {}
        self.lookups = 0

    def issue(self, tenant: str, scopes: Sequence[str] = SCOPES, **fields: Any) -> MintedKey:
        minted = mint_key()
        shown: dict[str, Any] = {
            "name": "a test",
            "issued_at": NOW,
            "issued_by": "operator",
            "expires_at": None,
            "revoked_at": None,
            "position": len(self.keys) + 1,
        }
        self.keys[minted.key_id] = KeyRecord(
            key_id=minted.key_id,
            tenant=tenant,
            secret_hash=minted.secret_hash,
            scopes=tuple(scopes),
            **shown | fields,
        )
        return minted

    def change(self, minted: MintedKey, **fields: Any) -> None:
        self.keys[minted.key_id] = msgspec.structs.replace(self.keys[minted.key_id], **fields)

    async def key(self, key_id: str, *, min_position: int = 0) -> KeyRecord | None:
        self.lookups += 1
        return self.keys.get(key_id)

    async def page(self, tenant: str, **_: Any) -> Answer[Page[KeySummary]]:
        found = [one for one in self.keys.values() if one.tenant == tenant]
        shown = [msgspec.convert(one, KeySummary, from_attributes=True) for one in found]
        return Answer(1, Page(shown, None))


class FakeDirectory:
    """Agents that were put into it."""

    def __init__(self) -> None:
        self.agent_names = {"assistant"}

    async def agent(self, tenant: str, name: str, *, min_position: int = 0) -> AgentRecord | None:
        if name not in self.agent_names:
            return None
        return AgentRecord(tenant=tenant, agent=name, description="", hears=())

    async def agents(self, tenant: str, *, min_position: int = 0) -> Answer[list[AgentRecord]]:
        return Answer(1, [])


class FakeConversations:
    """Transcripts by (tenant, id); waits for `min_position` as the real one does."""

    def __init__(self, progress: Progress) -> None:
        self.transcripts: dict[tuple[str, UUID], Transcript] = {}
        self.messages: dict[tuple[str, UUID, UUID], Message] = {}
        self.summaries: list[ConversationSummary] = []
        self.asked: list[ConversationFilter] = []
        self._progress = progress

    async def page(
        self,
        tenant: str,
        which: ConversationFilter,
        *,
        limit: int,
        cursor: str | None = None,
        min_position: int = 0,
    ) -> Answer[Page[ConversationSummary]]:
        self.asked.append(which)
        _, position = await self._progress.at_least("conversations", min_position, 0.05)
        checked_limit(limit)
        Cursors(KeyRecord, [tenant]).decode(cursor)
        more = "more" if len(self.summaries) > limit else None
        return Answer(position, Page(self.summaries[:limit], more))

    async def message(
        self, tenant: str, conversation_id: UUID, message_id: UUID, *, min_position: int = 0
    ) -> Answer[Message]:
        found = self.messages.get((tenant, conversation_id, message_id))
        if found is None:
            raise NotFound("There is no such message in the conversation.")
        return Answer(min_position, found)

    async def transcript(
        self, tenant: str, conversation_id: UUID, *, min_position: int = 0
    ) -> Answer[Transcript]:
        _, position = await self._progress.at_least("conversations", min_position, 0.05)
        found = self.transcripts.get((tenant, conversation_id))
        if found is None:
            raise NotFound("There is no such conversation.")
        return Answer(position, found)


class FakeDocuments:
    """Documents by (tenant, id)."""

    def __init__(self) -> None:
        self.documents: dict[tuple[str, UUID], Document] = {}

    async def page(
        self, tenant: str, *, limit: int, cursor: str | None = None, min_position: int = 0
    ) -> Answer[Page[DocumentSummary]]:
        return Answer(1, Page([], None))

    async def document(
        self, tenant: str, document_id: UUID, *, min_position: int = 0
    ) -> Answer[Document]:
        found = self.documents.get((tenant, document_id))
        if found is None:
            raise NotFound("There is no such document.")
        return Answer(1, found)


class FakeRuns:
    """Runs by (tenant, id); remembers what lists were asked for."""

    def __init__(self) -> None:
        self.runs: dict[tuple[str, UUID], Run] = {}
        self.asked: list[tuple[str, RunFilter]] = []

    async def page(
        self,
        tenant: str,
        which: RunFilter,
        *,
        limit: int,
        cursor: str | None = None,
        min_position: int = 0,
    ) -> Answer[Page[RunSummary]]:
        self.asked.append((tenant, which))
        return Answer(1, Page([], None))

    async def run(self, tenant: str, run_id: UUID, *, min_position: int = 0) -> Answer[Run]:
        found = self.runs.get((tenant, run_id))
        if found is None:
            raise NotFound("There is no such run.")
        return Answer(1, found)


class FakeSearch:
    """Remembers what it was asked; raises what a test puts into `error`."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, Any]]] = []
        self.error: Exception | None = None
        self.stale = False

    async def search(self, tenant: str, q: str, **filters: Any) -> Answer[Page[Hit]]:
        self.asked.append((tenant, q, filters))
        if self.error is not None:
            raise self.error
        return Answer(1, Page([], None), self.stale)


class FakeReports:
    """Remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, CheckedQuestion]] = []
        self.rows: list[Row] = []
        self.stale = False

    async def report(
        self, tenant: str, question: CheckedQuestion, *, min_position: int = 0
    ) -> Answer[list[Row]]:
        self.asked.append((tenant, question))
        return Answer(1, self.rows, self.stale)


class MemoryLive:
    """The live hub without a broker: a test says what comes."""

    def __init__(self) -> None:
        self.listeners: dict[tuple[str, UUID | None], list[Listener]] = {}

    @asynccontextmanager
    async def listen(
        self, tenant: str, conversation_id: UUID | None = None
    ) -> AsyncIterator[Listener]:
        listener = Listener()
        group = self.listeners.setdefault((tenant, conversation_id), [])
        group.append(listener)
        try:
            yield listener
        finally:
            group.remove(listener)

    def put(self, item: LiveItem) -> None:
        for group in list(self.listeners.values()):
            for listener in group:
                listener.put(item)

    def delta(self, conversation_id: UUID, run_id: UUID, text: str) -> None:
        self.put(Delta(conversation_id, run_id, text))

    @property
    def watchers(self) -> int:
        return sum(len(group) for group in self.listeners.values())


class FakeFinishedWork:
    """As the table in PostgreSQL, in memory."""

    def __init__(self) -> None:
        self._lines: dict[str, tuple[bytes, bytes]] = {}

    async def find(self, request: Request) -> bytes | None:
        fingerprint, line = self._lines.get(request.tag, (request.fingerprint, None))
        if fingerprint != request.fingerprint:
            raise IdempotencyKeyReused("This Idempotency-Key was used for another request before.")
        return line

    async def keep(self, request: Request, line: bytes) -> None:
        self._lines.setdefault(request.tag, (request.fingerprint, line))


class World:
    """A log, in memory if none is given, with everything the API needs around it."""

    def __init__(
        self,
        *,
        store: MemoryEventStore | PostgresEventStore | None = None,
        keys: KeyTable | None = None,
        blobs: BlobStore | None = None,
        heartbeat_seconds: float = 15.0,
        limiter: RouteLimits | None = None,
    ) -> None:
        self.store = store or MemoryEventStore()
        self.vault = Vault(keys or MemoryKeyTable(), MemoryMasterKey())
        self.codec = Codec(Catalog(), self.vault, blobs or MemoryBlobStore())
        self.dispatcher = Dispatcher(self.store, self.codec)
        self.log = LogReader(self.store, self.codec)
        self.checkpoints = MemoryCheckpointStore()
        self.progress = Progress(["conversations"])
        self.progress.advance(VIEW, 0)
        self.directory = FakeDirectory()
        self.keys = FakeKeys()
        self.conversations = FakeConversations(self.progress)
        self.documents = FakeDocuments()
        self.runs = FakeRuns()
        self.search = FakeSearch()
        self.reports = FakeReports()
        self.live = MemoryLive()
        self.store.on_append.append(lambda head: self.live.put(Wake(head)))
        self.redriven: list[tuple[str, str | None]] = []
        self.sick: dict[str, Exception] = {}
        self.demo = self.keys.issue("demo")
        self.doors = Doors(
            dispatcher=self.dispatcher,
            conversations=self.conversations,  # type: ignore[arg-type]
            documents=self.documents,  # type: ignore[arg-type]
            runs=self.runs,  # type: ignore[arg-type]
            search=self.search,  # type: ignore[arg-type]
            reports=self.reports,  # type: ignore[arg-type]
            feed=FeedQueries(self.log),
            directory=self.directory,  # type: ignore[arg-type]
            keys=self.keys,  # type: ignore[arg-type]
            log=self.log,
            checkpoints=self.checkpoints,
            live=self.live,  # type: ignore[arg-type]
            vault=self.vault,
            projections=ProjectionDoor(
                status=self.progress.status,
                head=self.log.head,
                rebuild=self._rebuild,
                roll_back=self._roll_back,
                verify=self._verify,
                parked=self._parked,
                redrive=self._redrive,
            ),
            finished_work=FakeFinishedWork(),
            health={name: self._check(name) for name in ("postgres", "nats", "clickhouse")},
            metrics=CollectorRegistry(),
            agents={agent.name: as_event(agent) for agent in AGENTS},
            models=("builtin/quote-1", "openai/big"),
            asyncapi=document_json,
            operator_token_hash=token_hash(OPERATOR_TOKEN),
            draining=asyncio.Event(),
            limits=Limits(health_timeout_seconds=0.2, heartbeat_seconds=heartbeat_seconds),
            limiter=limiter,
            clock=lambda: NOW,
        )

    async def happen(self, *commands: Any, tenant: str = "demo") -> list[Any]:
        """Dispatch as the system does; returns the recorded events."""
        happened: list[Any] = []
        for command in commands:
            outcome = await self.dispatcher.dispatch(
                command, Context(tenant=tenant, actor="system")
            )
            happened += outcome.events
        return happened

    async def types(self) -> Sequence[str]:
        return [recorded.type for recorded in await self.log.read()]

    def _check(self, name: str) -> Any:
        async def check() -> None:
            if name in self.sick:
                raise self.sick[name]

        return check

    async def _rebuild(self, projection: str, on_progress: OnProgress) -> Rebuilt:
        if projection != "conversations":
            raise NotFound(f"There is no projection {projection}.")
        for position in range(1, 4):
            on_progress(position, 3, "filling")
            await asyncio.sleep(0.25)
        return Rebuilt(view=VIEW, position=3, fingerprint=Fingerprint(rows=1, digest="00"))

    async def _parked(self, projection: str) -> list[ParkedKey]:
        line = next((one for one in self.progress.status() if one.projection == projection), None)
        if line is None:
            raise NotFound(f"There is no projection {projection}.")
        return list(line.parked.values())

    async def _redrive(
        self, projection: str, on_progress: OnProgress, /, *, key: str | None
    ) -> Redriven:
        self.redriven.append((projection, key))
        on_progress(0, 2, "redriving")
        await asyncio.sleep(0.25)
        return Redriven(view=VIEW.name, position=2, parked=0, failed=[])

    async def _roll_back(self, projection: str, on_progress: OnProgress) -> RolledBack:
        if projection != "conversations":
            raise Refused(f"{projection} has no former view to go back to")
        on_progress(3, 3, "catching up")
        return RolledBack(view=VIEW, position=3, left=None)

    async def _verify(self, projection: str, on_progress: OnProgress) -> Any:
        await asyncio.sleep(0.25)
        raise Corrupt("The view does not hold what was put into it.")
