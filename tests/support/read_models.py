"""A small read model, and a rig that keeps it up to date from a log in memory."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aigestion.events.conversation import UserChat
from aigestion.events.event import Event
from aigestion.events.knowledge import DocumentAdded, DocumentRemoved
from aigestion.events.recorded import Recorded
from aigestion.messaging.cloudevents import to_message
from aigestion.messaging.locks import MemoryLocks
from aigestion.messaging.memory import MemoryBroker, MemoryLeaderships
from aigestion.messaging.port import Broker
from aigestion.messaging.subscription import Subscription
from aigestion.projections.fold import Fold
from aigestion.projections.keeping import keep_read_models
from aigestion.projections.keys import by_tag
from aigestion.projections.memory_store import MemoryReadStore
from aigestion.projections.progress import Progress
from aigestion.projections.projection import Projection
from aigestion.projections.quarantine import MemoryQuarantine, Quarantine
from aigestion.projections.read_model import ReadModel
from aigestion.projections.views import MemoryViewRegistry
from aigestion.readstores.port import Change, Delete, DeleteWhere, Put, ReadStore, Row, View
from tests.support.event_log import EventLog
from tests.support.tasks import eventually, running


def project(recorded: Recorded[Any]) -> Sequence[Change]:
    """Uses every kind of change: a row a text, a row a document with its pages, the last text said."""
    match recorded.data:
        case UserChat(text=text):
            last = {"text": text, "position": recorded.position}
            return [Put("texts", text, {"position": recorded.position}), Put("last", "text", last)]
        case DocumentAdded(document_id=document_id, title=title):
            pages = [Put("pages", f"{title}/{n}", {"document": str(document_id)}) for n in range(3)]
            return [Put("documents", str(document_id), {"title": title}), *pages]
        case DocumentRemoved(document_id=document_id):
            removed = str(document_id)
            return [Delete("documents", removed), DeleteWhere("pages", "document", removed)]
    return []


SHELF = Projection(
    name="shelf",
    version=1,
    store="lists",
    collections=("texts", "last", "documents", "pages"),
    reads=(UserChat, DocumentAdded, DocumentRemoved),
    key=by_tag("document"),
    project=project,
)


class Rig:
    """One read model and everything around it."""

    def __init__(
        self,
        log: EventLog | None = None,
        broker: Broker | None = None,
        store: ReadStore | None = None,
        projection: Projection = SHELF,
        beside: "Rig | None" = None,
        quarantine: Quarantine | None = None,
    ) -> None:
        """`beside`: another process on the same log, store and register."""
        self.log = log or (beside.log if beside else EventLog())
        self.projection = projection
        self.store = store or (beside.store if beside else MemoryReadStore())
        self.registry = beside.registry if beside else MemoryViewRegistry()
        self.quarantine = quarantine or (beside.quarantine if beside else MemoryQuarantine())
        self.locks = beside.locks if beside else MemoryLocks()
        self.leaderships = beside.leaderships if beside else MemoryLeaderships()
        self.progress = Progress([projection.name])
        self.broker = broker or MemoryBroker()
        self.subscription = Subscription(self.broker, self.log.reader, self.log.catalog)
        self.model = ReadModel(
            projection,
            self.store,
            self.registry,
            self.log.reader,
            self.subscription,
            self.progress,
            self.quarantine,
            self.locks,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        keeping = keep_read_models([self.model], self.leaderships, self.registry)
        async with running(self.subscription.run(), keeping):
            yield

    async def record(self, *events: Event) -> None:
        """Append, and publish at once: for rigs whose `MemoryBroker` has a stream."""
        assert isinstance(self.broker, MemoryBroker)
        last = await self.log.record(*events)
        news = await self.log.reader.read(after=last - len(events))
        await self.broker.publish([to_message(event) for event in news])

    async def caught_up(self) -> View:
        """Wait until the read model reflects the log's head; the view that serves."""
        head = await self.log.reader.head()
        await eventually(lambda: self.progress.position(self.projection.name) >= head)
        view, _ = await self.progress.at_least(self.projection.name, head)
        return view

    async def expected(self) -> list[Row]:
        """What the log makes of it."""
        fold = Fold(self.projection)
        for event in await self.log.reader.read():
            fold.apply(event)
        return in_order(list(fold.rows()))

    async def found(self, view: View) -> list[Row]:
        return in_order([row async for row in self.store.rows(view)])


def in_order(rows: Sequence[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (row.collection, row.key))
