"""Reading the stream in order while the server, the stream and the consumer come and go."""

import asyncio
from contextlib import aclosing

import pytest
from nats.aio.client import Client

from aigestion.messaging import ordered_consumer as limits
from aigestion.messaging.jetstream import JetStreamBroker
from aigestion.messaging.ordered_consumer import (
    BATCH_MESSAGES_MAX,
    QUIET_SECONDS,
    SILENCE_SECONDS_MAX,
)
from aigestion.messaging.port import Message
from aigestion.messaging.subjects import STREAM
from tests.support.broker_process import BrokerProcess
from tests.support.tasks import eventually, running


class Ears:
    """Hears everything, in the background."""

    def __init__(self, broker: JetStreamBroker, after: int = 0) -> None:
        self.heard: list[int] = []
        self.quiet = 0
        self._messages = broker.messages(after)

    async def run(self) -> None:
        async with aclosing(self._messages) as batches:
            async for batch in batches:
                self.heard += [message.position for message in batch]
                self.quiet += not batch


async def publish(broker: JetStreamBroker, first: int, last: int) -> None:
    positions = range(first, last + 1)
    await broker.publish([Message(n, "events.demo.user.chat", {}, b"{}") for n in positions])


async def test_a_long_stream_is_read_whole(broker: JetStreamBroker) -> None:
    await broker.create(1)
    for first in range(1, 5001, 500):
        await publish(broker, first, first + 499)
    ears = Ears(broker)

    async with running(ears.run()):
        await eventually(lambda: len(ears.heard) >= 5000)

    assert ears.heard == list(range(1, 5001))
    assert len(ears.heard) > BATCH_MESSAGES_MAX


async def test_quiet_is_reported_while_there_is_no_stream(broker: JetStreamBroker) -> None:
    ears = Ears(broker)

    async with running(ears.run()):
        await eventually(lambda: ears.quiet >= 2)
        await broker.create(1)
        await publish(broker, 1, 3)
        await eventually(lambda: ears.heard == [1, 2, 3])


async def test_a_killed_server_is_quiet_and_then_goes_on(
    broker: JetStreamBroker, process: BrokerProcess
) -> None:
    await broker.create(1)
    await publish(broker, 1, 3)
    ears = Ears(broker)

    async with running(ears.run()):
        await eventually(lambda: ears.heard == [1, 2, 3])
        process.kill()
        before = ears.quiet
        await asyncio.sleep(3 * QUIET_SECONDS)
        assert ears.quiet >= before + 2
        process.start()
        await eventually(lambda: broker._nats.is_connected)
        await publish(broker, 4, 6)
        await eventually(lambda: ears.heard == [1, 2, 3, 4, 5, 6])


async def test_a_consumer_is_kept_however_quiet_it_is(
    broker: JetStreamBroker, connection: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PULL_SECONDS", 1.0)
    await broker.create(1)
    ears = Ears(broker)

    async with running(ears.run()):
        await eventually(lambda: ears.quiet >= 1)
        [before] = await connection.jetstream().consumers_info(STREAM)
        await asyncio.sleep(1.0 + 2 * SILENCE_SECONDS_MAX)
        [after] = await connection.jetstream().consumers_info(STREAM)

    assert after.name == before.name


async def test_a_deleted_consumer_is_replaced(broker: JetStreamBroker, connection: Client) -> None:
    await broker.create(1)
    await publish(broker, 1, 3)
    ears = Ears(broker)

    async with running(ears.run()):
        await eventually(lambda: ears.heard == [1, 2, 3])
        js = connection.jetstream()
        [consumer] = await js.consumers_info(STREAM)
        await js.delete_consumer(STREAM, consumer.name)
        await publish(broker, 4, 4)
        await eventually(lambda: ears.heard == [1, 2, 3, 4])


async def test_a_message_lost_on_the_way_is_asked_for_again(
    broker: JetStreamBroker, connection: Client
) -> None:
    await broker.create(1)
    await publish(broker, 1, 3)
    ears = Ears(broker)

    async with running(ears.run()):
        await eventually(lambda: ears.heard == [1, 2, 3])
        [inbox] = [s for s in connection._subs.values() if s.subject in _pulled_to(connection)]
        lost, inbox._cb = inbox._cb, _nothing
        await publish(broker, 4, 4)
        await asyncio.sleep(0.05)
        inbox._cb = lost
        await publish(broker, 5, 5)
        await eventually(lambda: ears.heard == [1, 2, 3, 4, 5])


async def test_positions_that_are_not_in_the_stream_are_left_out(
    broker: JetStreamBroker, connection: Client
) -> None:
    await broker.create(1)
    await publish(broker, 1, 3)
    ears = Ears(broker)

    async with running(ears.run()):
        await eventually(lambda: ears.heard == [1, 2, 3])
        await connection.jetstream().delete_stream(STREAM)
        await broker.create(10)
        await publish(broker, 10, 12)
        await eventually(lambda: ears.heard == [1, 2, 3, 10, 11, 12])


async def test_a_consumer_leaves_nothing_behind(
    broker: JetStreamBroker, connection: Client
) -> None:
    await broker.create(1)
    before = len(connection._subs)
    ears = Ears(broker)

    async with running(ears.run()):
        await eventually(lambda: ears.quiet > 0)

    assert len(connection._subs) == before
    await connection.flush()
    assert await connection.jetstream().consumers_info(STREAM) == []


async def _nothing(_: object) -> None:
    pass


def _pulled_to(connection: Client) -> set[str]:
    return {s.subject for s in connection._subs.values() if not s.subject.endswith("*")}
