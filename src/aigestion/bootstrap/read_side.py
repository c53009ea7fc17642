"""The read side of a process: views, what keeps them, what asks them."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aigestion.api.projection_door import ProjectionDoor
from aigestion.bootstrap.log import Log
from aigestion.bootstrap.stores import Stores
from aigestion.kernel.errors import NotFound
from aigestion.messaging.port import Broker
from aigestion.messaging.postgres_locks import PostgresLocks
from aigestion.messaging.subscription import Subscription
from aigestion.projections.catalog import PROJECTIONS
from aigestion.projections.progress import Progress
from aigestion.projections.read_model import ReadModel
from aigestion.projections.rebuild import Rebuilt, RolledBack
from aigestion.projections.redrive import Redriven
from aigestion.projections.stages import OnProgress
from aigestion.projections.verify import Verdict
from aigestion.queries.conversations import ConversationQueries
from aigestion.queries.directory import DirectoryQueries
from aigestion.queries.documents import DocumentQueries
from aigestion.queries.feed import FeedQueries
from aigestion.queries.keys import KeyQueries
from aigestion.queries.passages import PassageQueries
from aigestion.queries.reports import ReportQueries
from aigestion.queries.runs import RunQueries
from aigestion.queries.search import SearchQueries
from aigestion.readcache.cached import Cached
from aigestion.readstores.parked import ParkedKey
from aigestion.readstores.postgres.quarantine import PostgresQuarantine
from aigestion.readstores.postgres.views import PostgresViewRegistry


@dataclass(frozen=True, kw_only=True)
class Queries:
    """One object a read model."""

    conversations: ConversationQueries
    directory: DirectoryQueries
    documents: DocumentQueries
    feed: FeedQueries
    keys: KeyQueries
    passages: PassageQueries
    runs: RunQueries
    search: SearchQueries
    reports: ReportQueries


@dataclass(frozen=True, kw_only=True)
class ReadSide:
    """What this process knows and keeps of read models."""

    progress: Progress
    subscription: Subscription
    models: Mapping[str, ReadModel]
    queries: Queries
    door: ProjectionDoor
    registry: PostgresViewRegistry

    async def look(self) -> None:
        """Know how far each serving view is, without keeping it up to date."""
        for model in self.models.values():
            await model.look()
            await model.look_at_building()


@asynccontextmanager
async def read_side(
    log: Log,
    broker: Broker,
    stores: Stores,
    cached: Cached | None = None,
    *,
    at_rest: bool = False,
) -> AsyncIterator[ReadSide]:
    """Put it together; nothing runs yet.

    `at_rest`: nobody keeps the read models up to date, so what is done to them is done at once.
    """
    registry = PostgresViewRegistry(log.pool)
    quarantine = PostgresQuarantine(log.pool)
    progress = Progress(projection.name for projection in PROJECTIONS)
    subscription = Subscription(broker, log.reader, log.catalog)
    locks = PostgresLocks(log.url, "aigestion rebuilds")
    models = {
        projection.name: ReadModel(
            projection,
            stores.by_role[projection.store],
            registry,
            log.reader,
            subscription,
            progress,
            quarantine,
            locks,
        )
        for projection in PROJECTIONS
    }
    side = ReadSide(
        progress=progress,
        subscription=subscription,
        models=models,
        queries=_queries(log, progress, stores, cached),
        door=_door(log, progress, models, at_rest=at_rest),
        registry=registry,
    )
    try:
        yield side
    finally:
        await locks.close()


def _queries(log: Log, progress: Progress, stores: Stores, cached: Cached | None) -> Queries:
    conversations = ConversationQueries(log.pool, progress)
    return Queries(
        conversations=conversations,
        directory=DirectoryQueries(log.pool, progress),
        documents=DocumentQueries(log.pool, progress),
        feed=FeedQueries(log.reader),
        keys=KeyQueries(log.pool, progress, log.reader),
        passages=PassageQueries(stores.meaning, progress),
        runs=RunQueries(log.pool, progress),
        search=SearchQueries(stores.text, conversations, progress, cached),
        reports=ReportQueries(stores.analytics, progress, cached),
    )


def _door(
    log: Log, progress: Progress, models: Mapping[str, ReadModel], *, at_rest: bool
) -> ProjectionDoor:
    def model(name: str) -> ReadModel:
        if name not in models:
            raise NotFound(f"There is no read model {name!r}; there are {', '.join(models)}.")
        return models[name]

    async def rebuild(name: str, on_progress: OnProgress) -> Rebuilt:
        return await model(name).rebuild(on_progress)

    async def roll_back(name: str, on_progress: OnProgress) -> RolledBack:
        return await model(name).roll_back(on_progress)

    async def verify(name: str, on_progress: OnProgress) -> Verdict:
        return await model(name).verify(on_progress)

    async def parked(name: str) -> list[ParkedKey]:
        return await model(name).parked()

    async def redrive(name: str, on_progress: OnProgress, /, *, key: str | None) -> Redriven:
        if at_rest:
            return await model(name).redrive_at_rest(key, on_progress)
        return await model(name).redrive(key, on_progress)

    return ProjectionDoor(
        status=progress.status,
        head=log.store.head,
        rebuild=rebuild,
        roll_back=roll_back,
        verify=verify,
        parked=parked,
        redrive=redrive,
    )
