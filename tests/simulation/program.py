"""The program's own classes, put together as `bootstrap` does, on the doubles of its servers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from aigestion.commands.dispatcher import Dispatcher
from aigestion.events.catalog import Catalog
from aigestion.eventstore.codec import Codec
from aigestion.eventstore.memory import MemoryBlobStore, MemoryKeyTable
from aigestion.eventstore.postgres import PostgresEventStore
from aigestion.eventstore.reader import LogReader
from aigestion.eventstore.vault import Vault
from aigestion.messaging.jetstream import JetStreamBroker
from aigestion.messaging.leader import PostgresLeadership
from aigestion.messaging.leaderships import PostgresLeaderships
from aigestion.messaging.memory import MemoryTenure
from aigestion.messaging.postgres_locks import PostgresLocks
from aigestion.messaging.relay import Relay
from aigestion.messaging.subscription import Subscription
from aigestion.projections.conversations import conversations
from aigestion.projections.keeping import keep_read_models
from aigestion.projections.progress import Progress
from aigestion.projections.quarantine import MemoryQuarantine
from aigestion.projections.read_model import ReadModel
from aigestion.projections.views import MemoryViewRegistry
from aigestion.readstores.postgres.store import PostgresReadStore
from tests.simulation.database import Database
from tests.simulation.loop import SimulationLoop
from tests.simulation.nats_double import Client, NatsDouble
from tests.simulation.session import Connecting, Pool

DSN = "postgresql://simulated"
CATALOG = Catalog()
TENANT = "demo"


class NoWrapping:
    """A master key that hides nothing: what is sealed is not what is simulated."""

    def wrap(self, data_key: bytes, context: bytes) -> bytes:
        return data_key

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        return wrapped


class Durable:
    """What outlives every process, beside the servers."""

    def __init__(self, loop: SimulationLoop, database: Database, nats: NatsDouble) -> None:
        self.loop = loop
        self.database = database
        self.nats = nats
        self.connecting = Connecting(database)
        self.keys = MemoryKeyTable()
        self.blobs = MemoryBlobStore()
        self.registry = MemoryViewRegistry()
        self.quarantine = MemoryQuarantine()
        self.model: Any = None
        """The provider that agents ask."""
        self.has_locks = True
        """Correctness must not hang on locks and leaders: in some schedules there are none."""

    def fresh_id(self) -> UUID:
        return UUID(int=self.database.chance.getrandbits(128))


class Log:
    """A process's way to the log."""

    def __init__(self, durable: Durable) -> None:
        self.pool: Any = Pool(durable.connecting)
        self.vault = Vault(durable.keys, NoWrapping(), monotonic_seconds=durable.loop.time)
        self.codec = Codec(CATALOG, self.vault, durable.blobs)
        self.store = PostgresEventStore(self.pool, DSN)
        self.reader = LogReader(self.store, self.codec)

    async def start_appending(self) -> None:
        """Until the database is there."""
        while True:
            try:
                await self.store.start()
                return
            except OSError:
                await asyncio.sleep(0.5)

    def dispatcher(self, durable: Durable) -> Dispatcher:
        return Dispatcher(
            self.store, self.codec, clock=durable.database.now, fresh_id=durable.fresh_id
        )


class _Anybody:
    """Leads as soon as it wants to."""

    def of(self, name: str) -> "_Anybody":
        return self

    @asynccontextmanager
    async def held(self) -> AsyncIterator[MemoryTenure]:
        yield MemoryTenure()


class Relaying:
    """`aigestion relay`."""

    def __init__(self, durable: Durable) -> None:
        broker = JetStreamBroker(Client(durable.nats))  # type: ignore[arg-type]
        log = Log(durable)
        leadership = PostgresLeadership(DSN, "relay") if durable.has_locks else _Anybody()
        self.relay = Relay(log.reader, broker, leadership, clock=durable.database.now)

    async def run(self) -> None:
        await self.relay.run()


class Projecting:
    """`aigestion project conversations`."""

    def __init__(self, durable: Durable) -> None:
        log = Log(durable)
        broker = JetStreamBroker(Client(durable.nats))  # type: ignore[arg-type]
        self.subscription = Subscription(broker, log.reader, CATALOG)
        self.progress = Progress()
        self._durable = durable
        self.model = ReadModel(
            conversations,
            PostgresReadStore(log.pool),
            durable.registry,
            log.reader,
            self.subscription,
            self.progress,
            durable.quarantine,
            PostgresLocks(DSN),
        )

    async def run(self) -> None:
        leaderships = PostgresLeaderships(DSN) if self._durable.has_locks else _Anybody()
        keeping = keep_read_models([self.model], leaderships, self._durable.registry)
        await asyncio.gather(self.subscription.run(), keeping)


class Api:
    """`aigestion api`, without HTTP: commands come in, outcomes go out."""

    def __init__(self, durable: Durable) -> None:
        self._log = Log(durable)
        self._dispatcher = self._log.dispatcher(durable)
        self._is_open = asyncio.Event()

    async def run(self) -> None:
        await self._log.start_appending()
        self._is_open.set()
        await asyncio.get_running_loop().create_future()

    async def dispatch(self, command: Any, context: Any) -> Any:
        await self._is_open.wait()
        return await self._dispatcher.dispatch(command, context)
