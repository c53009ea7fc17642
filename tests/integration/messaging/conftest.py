"""A log in Postgres and a broker that can be killed."""

from collections.abc import AsyncIterator, Iterator

import pytest
from nats.aio.client import Client

from aigestion.messaging.jetstream import JetStreamBroker
from tests.support.broker_process import BrokerProcess, broker_process, connected
from tests.support.event_log import EventLog
from tests.support.log import migrated, postgres_event_store


@pytest.fixture
async def log(database_url: str) -> AsyncIterator[EventLog]:
    async with postgres_event_store(await migrated(database_url)) as store:
        yield EventLog(store)


@pytest.fixture
def process() -> Iterator[BrokerProcess]:
    with broker_process() as running:
        yield running


@pytest.fixture
async def connection(process: BrokerProcess) -> AsyncIterator[Client]:
    async with connected(process.url) as client:
        yield client


@pytest.fixture
def broker(connection: Client) -> JetStreamBroker:
    return JetStreamBroker(connection)
