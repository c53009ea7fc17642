"""Live conversations over a real broker."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from nats.aio.client import Client

from aigestion.messaging.jetstream import JetStreamBroker
from aigestion.messaging.live import LISTENER_ITEMS_MAX, Listener, LiveHub, NatsLiveChannel
from aigestion.messaging.memory import MemoryLeadership
from aigestion.messaging.port import Delta, LiveItem, Wake
from aigestion.messaging.relay import Relay
from aigestion.messaging.subjects import live_subject
from tests.support.broker_process import BrokerProcess
from tests.support.event_log import EventLog
from tests.support.history import chat, id_of, started
from tests.support.tasks import eventually, patience, running

HARBOUR, LIBRARY, RUN = id_of("harbour"), id_of("library"), id_of("run")


@pytest.fixture
async def hub(connection: Client) -> AsyncIterator[LiveHub]:
    hub = LiveHub(connection)
    await hub.start()
    yield hub
    await hub.stop()


def delta(text: str, conversation: UUID = HARBOUR) -> Delta:
    return Delta(conversation, RUN, text)


async def heard(listener: Listener, count: int) -> list[LiveItem]:
    async with patience():
        return [await anext(listener) for _ in range(count)]


async def test_pieces_of_a_reply_arrive_in_order_at_every_watcher(
    hub: LiveHub, connection: Client
) -> None:
    channel = NatsLiveChannel(connection)
    said = [delta(text) for text in ("Dense ", "positions ", "are… ", "ñ 🦜")]

    async with hub.listen("demo", HARBOUR) as one, hub.listen("demo", HARBOUR) as other:
        for piece in said:
            await channel.publish("demo", piece)

        assert await heard(one, 4) == said
        assert await heard(other, 4) == said


async def test_nobody_hears_what_is_not_theirs(hub: LiveHub, connection: Client) -> None:
    channel = NatsLiveChannel(connection)

    async with hub.listen("demo", HARBOUR) as listener:
        await channel.publish("demo", delta("another conversation", LIBRARY))
        await channel.publish("acme", delta("another tenant"))
        await connection.publish(live_subject("demo", HARBOUR), b"no JSON")
        await channel.publish("demo", delta("mine"))

        assert await heard(listener, 1) == [delta("mine")]


async def test_every_event_of_a_tenant_wakes_those_who_watch_its_log(
    hub: LiveHub, connection: Client
) -> None:
    log = EventLog()
    relay = Relay(log.reader, JetStreamBroker(connection), MemoryLeadership())

    async with hub.listen("demo") as listener, running(relay.run()):
        await log.record(started("harbour"), tenant="acme")
        await log.record(started("library"))

        assert await heard(listener, 1) == [Wake(2)]


async def test_a_recorded_event_wakes_the_watchers_of_its_conversation(
    hub: LiveHub, connection: Client
) -> None:
    log = EventLog()
    relay = Relay(log.reader, JetStreamBroker(connection), MemoryLeadership())

    async with hub.listen("demo", HARBOUR) as listener, running(relay.run()):
        await log.record(started("library"))
        await log.record(started("harbour"), tenant="acme")
        await log.record(chat("hello"))

        assert await heard(listener, 1) == [Wake(3)]


async def test_a_slow_watcher_is_told_to_read_the_log(hub: LiveHub, connection: Client) -> None:
    channel = NatsLiveChannel(connection)

    async with hub.listen("demo", HARBOUR) as listener:
        for number in range(LISTENER_ITEMS_MAX + 3):
            await channel.publish("demo", delta(str(number)))
        await connection.flush()
        await asyncio.sleep(0.1)

        assert listener.lagging
        assert (await heard(listener, 3))[0] == Wake(None)


async def test_an_outage_of_the_broker_wakes_everybody(
    hub: LiveHub, connection: Client, process: BrokerProcess
) -> None:
    channel = NatsLiveChannel(connection)

    async with hub.listen("demo", HARBOUR) as listener:
        await asyncio.to_thread(process.restart)
        assert await heard(listener, 1) == [Wake(None)]

        await eventually(lambda: connection.is_connected)
        await channel.publish("demo", delta("goes on"))
        async with patience():
            while (await anext(listener)) != delta("goes on"):
                pass


async def test_pieces_are_not_kept_for_a_broker_that_is_away(
    connection: Client, process: BrokerProcess
) -> None:
    process.kill()
    await eventually(lambda: not connection.is_connected)

    await NatsLiveChannel(connection).publish("demo", delta("too late"))

    assert connection.pending_data_size == 0


async def test_stopping_ends_every_watch(connection: Client) -> None:
    hub = LiveHub(connection)
    await hub.start()

    async with hub.listen("demo", HARBOUR) as listener:
        await NatsLiveChannel(connection).publish("demo", delta("last words"))
        await connection.flush()
        await asyncio.sleep(0.05)
        await hub.stop()

        assert [item async for item in listener] == [delta("last words")]


def test_wakes_in_a_row_become_one() -> None:
    listener = Listener()

    for position in (4, 9, 7):
        listener.put(Wake(position))

    assert list(listener._items) == [Wake(9)]
    listener.put(Wake(None))
    listener.put(Wake(10))
    assert list(listener._items) == [Wake(None)]
