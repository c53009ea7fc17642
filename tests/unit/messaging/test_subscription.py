"""A subscription hands out the log in order and whole, whatever the broker does."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aigestion.events.catalog import EVENTS, Catalog
from aigestion.events.conversation import ConversationStarted
from aigestion.kernel.errors import UnknownEvent
from aigestion.messaging import subscription as limits
from aigestion.messaging.cloudevents import to_message
from aigestion.messaging.memory import MemoryBroker
from aigestion.messaging.port import Broker, Message
from aigestion.messaging.subscription import Subscription
from tests.support.event_log import EventLog
from tests.support.history import chat, started
from tests.support.tasks import eventually, patience, running


class HostileBroker(MemoryBroker):
    """Delivers what a test tells it to, in that order; an empty list is quiet."""

    def __init__(self, deliveries: Sequence[Sequence[Message]], last: int) -> None:
        super().__init__()
        self._deliveries = deliveries
        self._last = last

    async def last_sequence(self) -> int | None:
        return self._last

    async def event_id_at(self, sequence: int) -> None:
        return None

    async def messages(self, after: int) -> AsyncIterator[list[Message]]:
        for some in self._deliveries:
            yield list(some)
            await asyncio.sleep(0)
        while True:
            await asyncio.sleep(0.005)
            yield []


@asynccontextmanager
async def subscribed(
    log: EventLog, broker: Broker, catalog: Catalog | None = None
) -> AsyncIterator[Subscription]:
    subscription = Subscription(broker, log.reader, catalog or log.catalog)
    async with running(subscription.run()):
        yield subscription


async def read_up_to(subscription: Subscription, end: int, limit: int = 7) -> list[int]:
    """The positions one reader gets, from the beginning."""
    got: list[int] = []
    async with patience():
        while not got or got[-1] < end:
            got += [e.position for e in await subscription.read(got[-1] if got else 0, limit)]
    return got


async def publish(log: EventLog, broker: MemoryBroker, after: int = 0) -> None:
    events = await log.reader.read(after=after)
    await broker.publish([to_message(event) for event in events])


async def test_a_reader_gets_the_past_from_the_log_and_news_from_the_broker() -> None:
    log, broker = EventLog(), MemoryBroker()
    await broker.create(1)
    await log.record_chats(20)
    await publish(log, broker)

    async with subscribed(log, broker) as subscription:
        assert await read_up_to(subscription, 20) == list(range(1, 21))
        await log.record_chats(5)
        await publish(log, broker, after=20)
        [first, *_] = await subscription.read(20)

    assert (first.position, first.data) == (21, chat("message 0"))
    assert (subscription.gaps, subscription.lost_tails) == (0, 0)


async def test_a_reader_does_without_a_broker() -> None:
    log = EventLog()

    async with subscribed(log, MemoryBroker()) as subscription:
        assert await subscription.read(0) == []
        await log.record_chats(12)
        assert await read_up_to(subscription, 12) == list(range(1, 13))

    assert subscription.lost_tails > 0


@settings(max_examples=60, deadline=None)
@given(data=st.data())
async def test_lost_doubled_and_disordered_messages_change_nothing(data: st.DataObject) -> None:
    log = EventLog()
    await log.record_chats(30)
    messages = [to_message(event) for event in await log.reader.read()]
    delivery = st.lists(st.sampled_from(messages), max_size=12)
    deliveries = data.draw(st.lists(delivery, max_size=8))

    late = EventLog()

    class Late(type(log.reader)):  # type: ignore[misc]
        """A log that was empty when the subscription began."""

        heads = 0

        async def head(self) -> int:
            self.heads += 1
            return 0 if self.heads == 1 else int(await super().head())

    late.reader = Late(log.store, log._codec)
    async with subscribed(late, HostileBroker(deliveries, last=0)) as subscription:
        assert await read_up_to(subscription, 30) == list(range(1, 31))


async def test_a_silent_broker_is_asked_again() -> None:
    log = EventLog()
    opened = 0

    class Starving(HostileBroker):
        async def messages(self, after: int) -> AsyncIterator[list[Message]]:
            nonlocal opened
            opened += 1
            async for some in super().messages(after):
                yield some

    async with subscribed(log, Starving([], last=0)) as subscription:
        await eventually(lambda: opened == 1)
        for position in range(1, limits.LOST_TAILS_MAX + 1):
            assert opened == 1
            await log.record(chat("hello"))
            await eventually(lambda end=position: subscription._tip == end)

        await eventually(lambda: opened == 2)


async def test_a_broker_of_another_log_is_not_listened_to() -> None:
    other, log = EventLog(), EventLog()
    await other.record_chats(9)
    foreign = [to_message(event) for event in await other.reader.read()]
    await log.record_chats(4)

    async with subscribed(log, HostileBroker([foreign], last=9)) as subscription:
        assert await read_up_to(subscription, 4) == [1, 2, 3, 4]
        await eventually(lambda: subscription.epoch_mismatch is not None)
        assert await subscription.read(4) == []


async def test_an_unknown_event_is_the_readers_trouble_and_names_its_position() -> None:
    log, broker = EventLog(), MemoryBroker()
    await broker.create(1)
    catalog = Catalog(tuple(e for e in EVENTS if e is not ConversationStarted))
    older = log.known_to(catalog)

    async with subscribed(older, broker, catalog) as subscription:
        await eventually(lambda: subscription._tip == 0)
        await log.record(chat("one"), chat("two"), started(), chat("four"))
        await publish(log, broker)

        assert await read_up_to(subscription, 2) == [1, 2]
        with pytest.raises(UnknownEvent) as refused:
            await subscription.read(2)

    assert refused.value.details["position"] == 3


async def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "RECENT_EVENTS_MAX", 40)
    monkeypatch.setattr(limits, "RECENT_BYTES_MAX", 4_000)
    log, broker = EventLog(), MemoryBroker()
    await broker.create(1)

    async with subscribed(log, broker) as subscription:
        await eventually(lambda: subscription._tip == 0)
        await log.record_chats(500)
        await publish(log, broker)
        await eventually(lambda: subscription._tip == 500)

        assert len(subscription._recent) <= 40
        assert subscription._bytes <= 4_000
        assert await read_up_to(subscription, 500, limit=100) == list(range(1, 501))
