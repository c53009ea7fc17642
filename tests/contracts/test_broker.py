"""What every broker promises, in memory and on a real server."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from uuid import UUID, uuid5

import pytest

from aigestion.kernel.errors import SequenceMismatch, Unavailable
from aigestion.messaging import jetstream
from aigestion.messaging.jetstream import JetStreamBroker
from aigestion.messaging.memory import MemoryBroker
from aigestion.messaging.port import Broker, Message
from tests.support.broker_process import connected
from tests.support.tasks import patience

_IDS = UUID("0f3a1c9e-54d2-5b6f-8a70-3c2e1d4b5a69")


@pytest.fixture
def memory_broker() -> MemoryBroker:
    return MemoryBroker()


@pytest.fixture
async def jetstream_broker(nats_url: str) -> AsyncIterator[JetStreamBroker]:
    async with connected(nats_url) as connection:
        yield JetStreamBroker(connection)


@pytest.fixture(params=["memory", "jetstream"])
def broker(request: pytest.FixtureRequest) -> Broker:
    return request.getfixturevalue(f"{request.param}_broker")


def message(position: int, data: bytes = b"{}") -> Message:
    headers = {"ce-id": str(id_of(position)), "ce-actor": "user:J%C3%BCrgen"}
    return Message(position, "events.demo.user.chat", headers, data)


def batch(first: int, last: int) -> list[Message]:
    return [message(position) for position in range(first, last + 1)]


def id_of(position: int) -> UUID:
    return uuid5(_IDS, str(position))


async def heard(broker: Broker, after: int, last: int) -> list[Message]:
    """What `messages` brings, up to the position `last`."""
    got: list[Message] = []
    async with patience(), aclosing(broker.messages(after)) as batches:
        async for some in batches:
            got.extend(some)
            if got and got[-1].position >= last:
                break
    return got


async def test_before_there_is_a_stream_there_is_no_last_sequence(broker: Broker) -> None:
    assert await broker.last_sequence() is None
    with pytest.raises(Unavailable):
        await broker.publish(batch(1, 1))


async def test_a_stream_begins_where_it_is_told_to(broker: Broker) -> None:
    await broker.create(1000)
    assert await broker.last_sequence() == 999

    await broker.publish(batch(1000, 1002))

    assert await broker.last_sequence() == 1002
    assert [m.position for m in await heard(broker, 0, 1002)] == [1000, 1001, 1002]


@pytest.mark.parametrize("first", [1, 2, 700])
async def test_making_the_stream_again_changes_nothing(broker: Broker, first: int) -> None:
    """As a relay does that has been overtaken, and thinks that older events need not be kept any more."""
    await broker.create(1)
    await broker.publish(batch(1, 2))

    await broker.create(first)

    assert await broker.last_sequence() == 2


@pytest.mark.parametrize("size", [1, 4, 5, 500])
async def test_messages_arrive_as_they_were_published(broker: Broker, size: int) -> None:
    await broker.create(1)
    sent = [message(position, b'{"text":"%d"}' % position) for position in range(1, size + 1)]

    await broker.publish(sent)

    got = await heard(broker, 0, size)
    assert [(m.position, m.subject, m.data) for m in got] == [
        (m.position, m.subject, m.data) for m in sent
    ]
    assert all(m.headers.items() <= g.headers.items() for m, g in zip(sent, got, strict=True))


@pytest.mark.parametrize("size", [7, 8, 9, 20])
async def test_what_is_too_large_for_a_batch_arrives_in_order(
    broker: Broker, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """Eight of these fill one."""
    monkeypatch.setattr(jetstream, "BATCH_BYTES_MAX", 8_000)
    await broker.create(1)

    await broker.publish(message(position, b"1" * 1_000) for position in range(1, size + 1))

    assert await broker.last_sequence() == size
    got = await heard(broker, 0, size)
    assert [(m.position, len(m.data)) for m in got] == [(n, 1_000) for n in range(1, size + 1)]


async def test_a_batch_ends_when_it_is_large(
    jetstream_broker: JetStreamBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jetstream, "BATCH_BYTES_MAX", 8_000)
    await jetstream_broker.create(1)

    await jetstream_broker.publish(message(n, b"1" * 1_000) for n in range(1, 18))

    got = await heard(jetstream_broker, 0, 17)
    numbers = [int(m.headers["Nats-Batch-Sequence"]) for m in got]
    assert numbers == [1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8, 1]


@pytest.mark.parametrize("first", [3, 7])
@pytest.mark.parametrize("size", [1, 4, 20])
async def test_a_batch_that_does_not_follow_is_refused_whole(
    broker: Broker, first: int, size: int
) -> None:
    await broker.create(1)
    await broker.publish(batch(1, 4))

    with pytest.raises(SequenceMismatch):
        await broker.publish(batch(first, first + size - 1))

    assert await broker.last_sequence() == 4
    assert [m.position for m in await heard(broker, 0, 4)] == [1, 2, 3, 4]


async def test_a_reader_starts_where_it_left_off(broker: Broker) -> None:
    await broker.create(1)
    await broker.publish(batch(1, 9))

    assert [m.position for m in await heard(broker, 6, 9)] == [7, 8, 9]


async def test_a_reader_hears_what_comes_later_and_that_it_is_quiet(broker: Broker) -> None:
    await broker.create(1)
    got: list[list[int]] = []

    async with patience(), aclosing(broker.messages(0)) as batches:
        async for some in batches:
            got.append([m.position for m in some])
            if len(got) == 1:
                await broker.publish(batch(1, 3))
            if sum(map(len, got)) == 3:
                break

    assert got[0] == []
    assert [position for some in got for position in some] == [1, 2, 3]


async def test_a_reader_may_be_ahead_of_the_stream(broker: Broker) -> None:
    await broker.create(1)
    await broker.publish(batch(1, 3))

    async with patience(), aclosing(broker.messages(5)) as batches:
        assert await anext(batches) == []
        await broker.publish(batch(4, 7))
        got = [m.position async for m in _flat(batches, 7)]

    assert got == [6, 7]


async def test_the_id_of_an_event_can_be_asked_for(broker: Broker) -> None:
    await broker.create(5)
    await broker.publish(batch(5, 6))

    assert await broker.event_id_at(6) == id_of(6)
    assert await broker.event_id_at(4) is None
    assert await broker.event_id_at(7) is None


async def _flat(batches: AsyncIterator[list[Message]], last: int) -> AsyncIterator[Message]:
    async for some in batches:
        for one in some:
            yield one
        if some and some[-1].position >= last:
            return
