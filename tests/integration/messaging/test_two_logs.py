"""Two logs in one Postgres cluster and on one NATS server: neither knows of the other."""

from contextlib import AsyncExitStack
from itertools import product

import asyncpg
import pytest

from aigestion.bootstrap.broker import connected_nats
from aigestion.messaging.jetstream import JetStreamBroker
from aigestion.messaging.leader import PostgresLeadership
from aigestion.messaging.port import Message
from tests.support.engines import nats_server
from tests.support.log import migrated
from tests.support.tasks import patience

ACCOUNTS = """
jetstream {{ store_dir: "{home}/js" }}
accounts {{
  ONE {{ jetstream: enabled, users: [{{user: one, password: p}}] }}
  TWO {{ jetstream: enabled, users: [{{user: two, password: p}}] }}
}}
"""


@pytest.fixture
async def another_database_url(postgres_admin_url: str, database_url: str) -> str:
    name = database_url.rsplit("/", 1)[1] + "_b"
    admin = await asyncpg.connect(postgres_admin_url)
    await admin.execute(f'CREATE DATABASE "{name}"')
    await admin.close()
    return postgres_admin_url.rsplit("/", 1)[0] + f"/{name}"


async def test_each_has_a_leader_of_its_own(database_url: str, another_database_url: str) -> None:
    urls = [await migrated(database_url), await migrated(another_database_url)]

    async with AsyncExitStack() as stack, patience():
        for name, url in product(("relay", "read model search v1"), urls):
            await stack.enter_async_context(PostgresLeadership(url, name).held())


async def test_each_has_a_stream_of_its_own() -> None:
    with nats_server(ACCOUNTS) as url:
        async with AsyncExitStack() as stack:
            one, two = [
                JetStreamBroker(
                    await stack.enter_async_context(connected_nats(url, user, password="p"))
                )
                for user in ("one", "two")
            ]
            for broker in (one, two):
                await broker.create(1)
            await one.publish([Message(1, "events.demo.user.chat", {}, b"{}")])

            assert await one.last_sequence() == 1
            assert await two.last_sequence() == 0
