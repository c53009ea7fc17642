"""Log, relay, broker, read models: all real, and each of them fails once."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress

import asyncpg
import pytest

from aigestion.eventstore.pool import opened_pool
from aigestion.messaging.jetstream import JetStreamBroker
from aigestion.messaging.leader import PostgresLeadership
from aigestion.messaging.leaderships import PostgresLeaderships
from aigestion.messaging.postgres_locks import PostgresLocks
from aigestion.messaging.relay import Relay
from aigestion.messaging.subscription import Subscription
from aigestion.projections.conversations import conversations
from aigestion.projections.keeping import keep_read_models
from aigestion.projections.progress import Progress
from aigestion.projections.read_model import ReadModel
from aigestion.projections.runs import runs
from aigestion.readstores.postgres.quarantine import PostgresQuarantine
from aigestion.readstores.postgres.store import PostgresReadStore
from aigestion.readstores.postgres.views import PostgresViewRegistry
from tests.support.broker_process import BrokerProcess, broker_process, connected
from tests.support.event_log import EventLog
from tests.support.history import chat, replied, started
from tests.support.log import migrated, postgres_event_store
from tests.support.tasks import eventually, running


class System:
    """One process: it can be stopped at any moment and started again on the same engines."""

    def __init__(self, url: str, broker: BrokerProcess, log: EventLog) -> None:
        self.log = log
        self.broker = broker
        self._url = url

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with (
            connected(self.broker.url) as connection,
            opened_pool(self._url, connections_max=4) as pool,
        ):
            broker = JetStreamBroker(connection)
            self.progress = Progress()
            self.relay = Relay(self.log.reader, broker, PostgresLeadership(self._url, "relay"))
            self.log.store.on_append[:] = [self.relay.wake]  # type: ignore[attr-defined]
            subscription = Subscription(broker, self.log.reader, self.log.catalog)
            store, registry = PostgresReadStore(pool), PostgresViewRegistry(pool)
            locks = PostgresLocks(self._url)
            self.models = [
                ReadModel(
                    p,
                    store,
                    registry,
                    self.log.reader,
                    subscription,
                    self.progress,
                    PostgresQuarantine(pool),
                    locks,
                )
                for p in (conversations, runs)
            ]
            keeping = keep_read_models(self.models, PostgresLeaderships(self._url), registry)
            async with running(self.relay.run(), subscription.run(), keeping):
                yield
            await locks.close()

    async def right(self) -> None:
        """Wait until everything has arrived; every view must equal the log."""
        head = await self.log.reader.head()
        await eventually(
            lambda: all(self.progress.position(m.projection.name) >= head for m in self.models)
        )
        for model in self.models:
            verdict = await model.verify()
            assert (verdict.differing_rows, verdict.position <= head) == (0, True), verdict.first
            assert verdict.expected.rows > 0


@pytest.fixture
def broker() -> Iterator[BrokerProcess]:
    with broker_process() as process:
        yield process


@pytest.fixture
async def system(database_url: str, broker: BrokerProcess) -> AsyncIterator[System]:
    url = await migrated(database_url)
    async with postgres_event_store(url) as store:
        yield System(url, broker, EventLog(store))


async def talk(log: EventLog, turns: int, name: str = "harbour") -> None:
    """A conversation, a turn at a time."""
    await log.record(started(name))
    for turn in range(turns):
        position = await log.record(chat(f"question {turn}", name))
        [asked] = await log.reader.read(after=position - 1, limit=1)
        await log.record(replied(asked, f"answer {turn}"), actor="agent:assistant")


async def test_what_is_recorded_becomes_visible(system: System) -> None:
    async with system.running():
        await asyncio.gather(*(talk(system.log, 20, f"conversation {n}") for n in range(4)))
        await system.right()

    assert (system.relay.retries, system.relay.rewinds) == (0, 0)


async def test_killing_the_broker_loses_nothing(system: System) -> None:
    async with system.running():
        talking = asyncio.create_task(talk(system.log, 150))
        for _ in range(3):
            await asyncio.sleep(0.2)
            await asyncio.to_thread(system.broker.restart)
        await talking
        await system.right()


async def test_a_broker_that_stays_away_is_done_without(system: System) -> None:
    async with system.running():
        await talk(system.log, 2)
        await asyncio.to_thread(system.broker.kill)
        await talk(system.log, 20, "library")
        await system.right()


async def test_what_the_broker_forgets_does_no_harm(system: System) -> None:
    async with system.running():
        await talk(system.log, 10)
        await system.right()
        forget = system.broker.remember()
        await talk(system.log, 10, "library")
        await system.right()
        await asyncio.to_thread(system.broker.kill)
        forget()
        talking = asyncio.create_task(talk(system.log, 10, "station"))
        await asyncio.to_thread(system.broker.start)
        await talking
        await system.right()
        await eventually(lambda: system.relay.rewinds == 1)


async def test_killing_the_process_again_and_again_does_no_harm(system: System) -> None:
    for n in range(5):
        async with system.running():
            talking = asyncio.create_task(talk(system.log, 100, f"conversation {n}"))
            await asyncio.sleep(0.05 + n * 0.07)
        talking.cancel()
        with suppress(asyncio.CancelledError):
            await talking

    async with system.running():
        await system.right()


async def test_losing_every_database_session_does_no_harm(
    system: System, database_url: str
) -> None:
    admin = await asyncpg.connect(database_url)
    async with system.running():
        await talk(system.log, 5)
        await system.right()
        for n in range(3):
            await admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            await _in_spite(system.log, f"conversation {n}")
        await system.right()
    await admin.close()


async def _in_spite(log: EventLog, name: str) -> None:
    """Go on talking as soon as the log answers again."""

    async def talked() -> bool:
        try:
            await talk(log, 5, name)
        except Exception:
            return False
        return True

    await eventually(talked)


async def test_rebuilding_under_load_ends_equal(system: System) -> None:
    async with system.running():
        await talk(system.log, 30)
        await system.right()
        talking = asyncio.create_task(talk(system.log, 60, "library"))
        rebuilt = [await model.rebuild() for model in system.models]
        await talking
        await system.right()

        assert [built.view.generation for built in rebuilt] == [2, 2]
        await eventually(
            lambda: {line.view for line in system.progress.status()} == {b.view for b in rebuilt}
        )
