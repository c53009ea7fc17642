"""A data dir without its program: the log of a running system, or everything of one at rest."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aigestion.api.projection_door import ProjectionDoor
from aigestion.bootstrap.broker import connected_nats
from aigestion.bootstrap.demo import TENANT
from aigestion.bootstrap.engines import embedded_engines
from aigestion.bootstrap.log import opened_log
from aigestion.bootstrap.read_side import embedded_read_side
from aigestion.embedded.connect_file import running
from aigestion.embedded.datadir import DataDir
from aigestion.events.catalog import Catalog
from aigestion.eventstore.codec import Codec
from aigestion.eventstore.port import EventStore
from aigestion.eventstore.reader import LogReader
from aigestion.messaging.jetstream import JetStreamBroker
from aigestion.messaging.port import Broker

CONNECTIONS_MAX = 4


@dataclass(frozen=True, kw_only=True)
class OpenLog:
    """A log that can be read, and its mirror in the broker."""

    store: EventStore
    codec: Codec
    reader: LogReader
    broker: Broker
    tenant: str


@dataclass(frozen=True, kw_only=True)
class AtRest(OpenLog):
    """A whole data dir nobody else is using."""

    projections: ProjectionDoor


@asynccontextmanager
async def open_log(data_dir: Path) -> AsyncIterator[OpenLog]:
    """The log: of the running system if there is one, else with engines started for the occasion."""
    folder = DataDir(data_dir)
    doors = running(data_dir)
    if doors is None:
        async with open_at_rest(data_dir) as at_rest:
            yield at_rest
        return
    catalog = Catalog()
    async with (
        opened_log(
            doors.postgres_dsn,
            folder.master_key,
            CONNECTIONS_MAX,
            catalog=catalog,
            appending=False,
        ) as log,
        connected_nats(doors.nats_url, "app", folder.secret("nats-app")) as client,
    ):
        yield OpenLog(
            store=log.store,
            codec=log.codec,
            reader=log.reader,
            broker=JetStreamBroker(client),
            tenant=doors.tenant,
        )


@asynccontextmanager
async def open_at_rest(data_dir: Path) -> AsyncIterator[AtRest]:
    """Everything of a data dir at rest. `Misconfigured` if another process uses it."""
    folder, catalog = DataDir(data_dir), Catalog()
    async with AsyncExitStack() as stack:
        stack.enter_context(folder.locked())
        engines = await stack.enter_async_context(embedded_engines(folder))
        log = await stack.enter_async_context(
            opened_log(
                engines.postgres.runtime_url,
                folder.master_key,
                CONNECTIONS_MAX,
                catalog=catalog,
                appending=False,
            )
        )
        nats_server = engines.nats
        client = await stack.enter_async_context(
            connected_nats(nats_server.address, "app", nats_server.password("app"))
        )
        broker = JetStreamBroker(client)
        side = await stack.enter_async_context(
            embedded_read_side(log, broker, folder, catalog, at_rest=True)
        )
        await side.look()
        yield AtRest(
            store=log.store,
            codec=log.codec,
            reader=log.reader,
            broker=broker,
            tenant=TENANT,
            projections=side.door,
        )
