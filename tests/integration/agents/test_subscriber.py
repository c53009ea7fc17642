"""Hearing through a real broker: quickly, in parallel, again after anything was lost."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import nats
import pytest
from nats.aio.client import Client
from nats.js.api import StreamConfig

from aigestion.agents import reactions as reactions_module
from aigestion.agents import subscriber as subscriber_module
from aigestion.agents.reactions import Reactions
from aigestion.agents.subscriber import DURABLE, UNACKED_MAX, AgentSubscriber
from aigestion.messaging.subjects import EVENT_SUBJECTS, STREAM, event_subject
from tests.support.broker_process import broker_process, connected
from tests.support.certificates import certificates
from tests.support.engines import nats_server
from tests.support.tasks import eventually, patience


class Heard:
    """Notes positions; reactions last as long as `seconds` says."""

    def __init__(self) -> None:
        self.positions: list[int] = []
        self.seconds = 0.0
        self.at_once = self.at_once_max = 0
        self.failures = 0

    async def react(self, position: int) -> None:
        self.positions.append(position)
        self.at_once += 1
        self.at_once_max = max(self.at_once_max, self.at_once)
        try:
            await asyncio.sleep(self.seconds)
            if self.failures:
                self.failures -= 1
                raise RuntimeError("not now")
        finally:
            self.at_once -= 1

    async def until(self, count: int) -> None:
        await eventually(lambda: len(self.positions) >= count and not self.at_once)


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
async def connection(nats_url: str) -> AsyncIterator[Client]:
    connection = await nats.connect(nats_url)
    yield connection
    await connection.close()


@pytest.fixture
async def listening(
    nats_url: str, connection: Client, heard: Heard
) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Starts a subscriber and waits until the broker knows it."""
    tasks: list[asyncio.Task[None]] = []
    reactions = Reactions(heard.react)

    async def listen() -> None:
        tasks.append(asyncio.create_task(AgentSubscriber(nats_url, reactions).run()))
        await _until_consumer(connection)

    yield listen
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await reactions.drain(0.1)


async def make_stream(connection: Client) -> None:
    await connection.jetstream().add_stream(StreamConfig(STREAM, subjects=[EVENT_SUBJECTS]))


async def publish(connection: Client, kind: str = "user.chat", tenant: str = "demo") -> int:
    ack = await connection.jetstream().publish(event_subject(tenant, kind), b"not even JSON")
    return ack.seq


async def _until_consumer(connection: Client) -> None:
    async with patience():
        while True:
            try:
                info = await connection.jetstream().consumer_info(STREAM, DURABLE)
                if info.num_waiting:
                    return
            except (nats.errors.Error, nats.js.errors.Error):
                pass
            await asyncio.sleep(0.02)


async def unacked(connection: Client) -> int:
    info = await connection.jetstream().consumer_info(STREAM, DURABLE)
    return (info.num_ack_pending or 0) + (info.num_pending or 0)


async def test_what_users_do_is_heard_of_every_tenant_and_nothing_else(
    connection: Client, heard: Heard, listening: Callable[[], Awaitable[None]]
) -> None:
    await make_stream(connection)
    await listening()

    expected = [
        await publish(connection),
        await publish(connection, "user.voice", "acme"),
    ]
    await publish(connection, "agent.replied")
    await publish(connection, "run.started")
    await heard.until(2)
    await asyncio.sleep(0.1)

    assert sorted(heard.positions) == expected
    assert await unacked(connection) == 0


async def test_hearing_is_quick(
    connection: Client, heard: Heard, listening: Callable[[], Awaitable[None]]
) -> None:
    await make_stream(connection)
    await listening()
    waits = []
    for count in range(1, 21):
        started = time.monotonic()
        await publish(connection)
        await heard.until(count)
        waits.append(time.monotonic() - started)

    assert sorted(waits)[10] < 0.25


async def test_reactions_go_on_in_parallel_and_bounded(
    connection: Client, heard: Heard, listening: Callable[[], Awaitable[None]]
) -> None:
    await make_stream(connection)
    await listening()
    heard.seconds = 0.2

    for _ in range(UNACKED_MAX + 10):
        await publish(connection)
    await heard.until(UNACKED_MAX + 10)

    assert 4 < heard.at_once_max <= UNACKED_MAX
    assert len(set(heard.positions)) == UNACKED_MAX + 10


async def test_the_stream_may_come_later(
    nats_url: str, connection: Client, heard: Heard, listening: Callable[[], Awaitable[None]]
) -> None:
    waiting = asyncio.create_task(listening())
    await asyncio.sleep(0.3)

    await make_stream(connection)
    await waiting
    await publish(connection)
    await heard.until(1)

    assert heard.positions == [1]


async def test_a_reaction_that_raised_is_delivered_again(
    connection: Client,
    heard: Heard,
    listening: Callable[[], Awaitable[None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reactions_module, "RETRY_SECONDS_MIN", 0.01)
    monkeypatch.setattr(subscriber_module, "REDELIVERY_SECONDS", 0.05)
    await make_stream(connection)
    await listening()
    heard.failures = 1

    await publish(connection)
    await heard.until(2)
    await asyncio.sleep(0.1)

    assert heard.positions == [1, 1]
    assert await unacked(connection) == 0


async def test_a_long_reaction_is_not_delivered_twice(
    connection: Client,
    heard: Heard,
    listening: Callable[[], Awaitable[None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(subscriber_module, "ACK_WAIT_SECONDS", 0.4)
    monkeypatch.setattr(subscriber_module, "BEAT_SECONDS", 0.1)
    await make_stream(connection)
    await listening()
    heard.seconds = 1.2

    await publish(connection)
    await asyncio.sleep(1.0)
    meanwhile = await connection.jetstream().consumer_info(STREAM, DURABLE)
    await heard.until(1)
    await asyncio.sleep(0.1)

    assert (meanwhile.num_ack_pending, meanwhile.num_redelivered) == (1, 0)
    assert await unacked(connection) == 0


async def test_a_wiped_broker_is_heard_again(
    connection: Client,
    heard: Heard,
    listening: Callable[[], Awaitable[None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(subscriber_module, "WATCH_SECONDS", 0.1)
    await make_stream(connection)
    await listening()

    await connection.jetstream().delete_stream(STREAM)
    await asyncio.sleep(0.3)
    await make_stream(connection)
    await _until_consumer(connection)
    await publish(connection)
    await heard.until(1)

    assert heard.positions == [1]


async def test_a_broker_that_dies_is_heard_again_and_freezes_nobody(heard: Heard) -> None:
    """FastStream's pull loop can spin without yielding when its connection is gone."""
    with broker_process() as broker:
        subscriber = AgentSubscriber(broker.url, Reactions(heard.react))
        task = asyncio.create_task(subscriber.run())
        async with connected(broker.url) as connection:
            await make_stream(connection)
            await _until_consumer(connection)

            broker.kill()
            longest = await _longest_freeze(seconds=1)
            broker.start()
            await _until_consumer(connection)
            await publish(connection)
            await heard.until(1)

        task.cancel()
        await asyncio.wait([task])
    assert heard.positions == [1]
    assert longest < 0.5


async def _longest_freeze(seconds: float) -> float:
    longest, end = 0.0, time.monotonic() + seconds
    while (before := time.monotonic()) < end:
        await asyncio.sleep(0.01)
        longest = max(longest, time.monotonic() - before)
    return longest


async def test_ending_is_prompt_while_a_reaction_goes_on(
    nats_url: str, connection: Client, heard: Heard
) -> None:
    await make_stream(connection)
    reactions = Reactions(heard.react)
    task = asyncio.create_task(AgentSubscriber(nats_url, reactions).run())
    await _until_consumer(connection)
    heard.seconds = 30
    await publish(connection)
    await eventually(lambda: heard.positions)
    started = time.monotonic()

    task.cancel()
    await asyncio.wait([task])

    assert time.monotonic() - started < heard.seconds / 2
    assert reactions.going_on == 1, "the reaction outlives its subscription"
    await reactions.drain(0.01)


async def test_a_broker_that_speaks_tls_and_asks_who_is_there_is_heard(
    heard: Heard, tmp_path: Path
) -> None:
    files = certificates(tmp_path)
    configuration = (
        'jetstream {{ store_dir: "{home}/js" }}\n'
        f'tls {{{{ cert_file: "{files.certificate}", key_file: "{files.key}" }}}}\n'
        'authorization {{ user: "app", password: "right" }}\n'
    )
    with nats_server(configuration) as plain:
        url = plain.replace("nats://", "tls://app:right@")
        tls = ssl.create_default_context(cafile=files.ca)
        connection = await nats.connect(url, tls=tls)
        await make_stream(connection)
        task = asyncio.create_task(AgentSubscriber(url, Reactions(heard.react), tls).run())
        await _until_consumer(connection)
        await publish(connection)
        await heard.until(1)

        task.cancel()
        await asyncio.wait([task])
        await connection.close()
    assert heard.positions == [1]
