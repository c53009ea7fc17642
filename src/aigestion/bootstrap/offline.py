"""A system as commands open it: of a data dir, running or at rest, or on the servers that settings name."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from nats.aio.client import Client

from aigestion.api.projection_door import ProjectionDoor
from aigestion.bootstrap.broker import connected_nats
from aigestion.bootstrap.demo import TENANT
from aigestion.bootstrap.engines import embedded_engines
from aigestion.bootstrap.garbage import YOUNG_OBJECTS_FILLING_MAX, settle_garbage
from aigestion.bootstrap.log import Log, opened_log
from aigestion.bootstrap.read_side import read_side
from aigestion.bootstrap.servers import open_log_server, open_servers
from aigestion.bootstrap.stores import Stores, opened_stores
from aigestion.embedded.connect_file import Doors, running
from aigestion.embedded.datadir import DataDir
from aigestion.events.catalog import Catalog
from aigestion.eventstore.codec import Codec
from aigestion.eventstore.port import CheckpointStore, EventStore
from aigestion.eventstore.postgres import PostgresCheckpointStore
from aigestion.eventstore.reader import LogReader
from aigestion.messaging.jetstream import JetStreamBroker
from aigestion.messaging.port import Broker
from aigestion.settings import Settings, load_settings

CONNECTIONS_MAX = 4


@dataclass(frozen=True, kw_only=True)
class OpenLog:
    """A log that can be read."""

    log: Log
    tenant: str | None
    """Whose events are meant if nobody says; None where there is no demo."""

    @property
    def store(self) -> EventStore:
        return self.log.store

    @property
    def codec(self) -> Codec:
        return self.log.codec

    @property
    def checkpoints(self) -> CheckpointStore:
        return PostgresCheckpointStore(self.log.pool)

    @property
    def reader(self) -> LogReader:
        return self.log.reader


@dataclass(frozen=True, kw_only=True)
class MirroredLog(OpenLog):
    """A log, and its mirror in the broker."""

    broker: Broker


@dataclass(frozen=True, kw_only=True)
class WholeSystem(MirroredLog):
    """A log, its mirror and its read models, opened in this process."""

    projections: ProjectionDoor


@asynccontextmanager
async def open_log(data_dir: Path, *, appending: bool = False) -> AsyncIterator[OpenLog]:
    """The log: of the running system if there is one, else with engines started for the occasion."""
    doors = running(data_dir)
    if doors is None:
        async with open_at_rest(data_dir, appending=appending) as at_rest:
            yield at_rest
        return
    async with _log_of(doors, DataDir(data_dir), appending=appending) as log:
        yield OpenLog(log=log, tenant=doors.tenant)


@asynccontextmanager
async def open_running(data_dir: Path, doors: Doors) -> AsyncIterator[MirroredLog]:
    """The log of the running system, and its mirror."""
    folder = DataDir(data_dir)
    password = folder.secret("nats-app")
    async with (
        _log_of(doors, folder, appending=False) as log,
        connected_nats(doors.nats_url, "app", password=password) as client,
    ):
        yield MirroredLog(log=log, broker=JetStreamBroker(client), tenant=doors.tenant)


@asynccontextmanager
async def open_at_rest(data_dir: Path, *, appending: bool = False) -> AsyncIterator[WholeSystem]:
    """Everything of a data dir at rest. `Misconfigured` if another process uses it."""
    folder = DataDir(data_dir)
    async with AsyncExitStack() as stack:
        stack.enter_context(folder.locked())
        engines = await stack.enter_async_context(embedded_engines(folder))
        url, nats_server = engines.postgres.runtime_url, engines.nats
        log = await stack.enter_async_context(
            opened_log(
                url, folder.master_key, CONNECTIONS_MAX, catalog=Catalog(), appending=appending
            )
        )
        client = await stack.enter_async_context(
            connected_nats(nats_server.address, "app", password=nats_server.password("app"))
        )
        settings = engines.on(load_settings(data_dir=data_dir))
        stores = await stack.enter_async_context(opened_stores(settings, log, folder, sparing=True))
        whole = _whole(log, client, stores, TENANT, at_rest=True)
        yield await stack.enter_async_context(whole)


@asynccontextmanager
async def open_log_on_servers(
    settings: Settings, *, appending: bool = False
) -> AsyncIterator[OpenLog]:
    """The log that settings name; no other server is needed. Which tenant is meant must be said."""
    async with AsyncExitStack() as stack:
        log = await open_log_server(settings, stack, appending=appending)
        yield OpenLog(log=log, tenant=None)


@asynccontextmanager
async def open_on_servers(settings: Settings) -> AsyncIterator[WholeSystem]:
    """Everything on the servers that settings name, beside the roles that are at work there."""
    async with AsyncExitStack() as stack:
        log, client = await open_servers(settings, stack, "app", appending=False, reading=True)
        stores = await stack.enter_async_context(opened_stores(settings, log, None))
        whole = _whole(log, client, stores, None, at_rest=False)
        yield await stack.enter_async_context(whole)


def _log_of(doors: Doors, folder: DataDir, *, appending: bool) -> AbstractAsyncContextManager[Log]:
    return opened_log(
        doors.postgres_dsn,
        folder.master_key,
        CONNECTIONS_MAX,
        catalog=Catalog(),
        appending=appending,
    )


@asynccontextmanager
async def _whole(
    log: Log, client: Client, stores: Stores, tenant: str | None, *, at_rest: bool
) -> AsyncIterator[WholeSystem]:
    broker = JetStreamBroker(client)
    async with read_side(log, broker, stores, at_rest=at_rest) as side:
        await side.look()
        settle_garbage(YOUNG_OBJECTS_FILLING_MAX)
        yield WholeSystem(log=log, broker=broker, tenant=tenant, projections=side.door)
