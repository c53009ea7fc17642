"""Reading across the seam between broker and feed: every event of the filter, once, in order."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import nats
import pytest
from nats.js.errors import NotFoundError

from aigestion.api.app import create_app
from aigestion.api.server import serving
from aigestion.bootstrap.grants import add_grant, credential_of, new_grant
from aigestion.client import subscribe
from aigestion.embedded.datadir import DataDir
from aigestion.embedded.nats import EmbeddedNats
from aigestion.events.conversation import UserChat
from aigestion.events.recorded import Recorded
from aigestion.kernel.errors import Misconfigured, Unauthenticated, Unavailable
from aigestion.messaging import ordered_consumer
from aigestion.messaging.cloudevents import DATA_BYTES_MAX
from aigestion.messaging.credential import Credential
from aigestion.messaging.jetstream import JetStreamBroker
from aigestion.messaging.memory import MemoryLeadership
from aigestion.messaging.relay import Relay
from tests.support.api_fakes import World
from tests.support.event_log import EventLog
from tests.support.history import chat, started
from tests.support.nkey_client import GrantedUser
from tests.support.processes import kill_9
from tests.support.tasks import WAIT_SECONDS_MAX, eventually, patience, running

RETENTION = timedelta(seconds=1)


class House:
    """A log, its relay to a broker that forgets after `RETENTION`, and its API."""

    def __init__(self, data_dir: DataDir, broker: EmbeddedNats) -> None:
        self.data_dir = data_dir
        self.broker = broker
        self.world = World()
        self.log = EventLog(self.world.store, vault=self.world.vault)
        self.log._codec = self.world.codec
        self.http_url = ""
        self.stream: JetStreamBroker | None = None
        self.user: GrantedUser | None = None

    async def grant(self, types: str = "user.*") -> Credential:
        grant, key = new_grant("demo", types, None)
        await add_grant(self.data_dir, grant, self.broker.port)
        return credential_of(grant, key, self.broker.address)

    async def say(self, *texts: str) -> None:
        """Each chat is followed by an event of another type and one of another tenant."""
        for text in texts:
            await self.log.record(chat(text), started())
            await self.log.record(chat("not yours"), tenant="other")

    async def forgotten(self) -> None:
        """Wait until the broker holds nothing any more."""
        assert self.stream is not None

        async def is_empty() -> bool:
            with suppress(NotFoundError):
                info = await self.stream._js.stream_info("EVENTS")
                return (
                    info.state.messages == 0 and info.state.last_seq == await self.world.log.head()
                )
            return False

        await eventually(is_empty)


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[DataDir]:
    data_dir = DataDir(tmp_path / "data")
    with data_dir.locked():
        yield data_dir


@pytest.fixture
async def house(data_dir: DataDir) -> AsyncIterator[House]:
    broker = EmbeddedNats(data_dir)
    await broker.start()
    house = House(data_dir, broker)
    client = await nats.connect(broker.url("relay"), reconnect_time_wait=0.05)
    house.stream = JetStreamBroker(client, retention=RETENTION)
    relay = Relay(house.world.log, house.stream, MemoryLeadership())
    app, draining = create_app(house.world.doors), house.world.doors.draining
    async with serving(app, host="127.0.0.1", port=0, draining=draining) as port:
        house.http_url = f"http://127.0.0.1:{port}"
        async with running(relay.run()):
            yield house
    await client.close()
    await broker.stop()


@asynccontextmanager
async def listening(
    house: House, after: int = 0, key: str | None = None
) -> AsyncIterator[AsyncIterator[Recorded[Any]]]:
    credential = await house.grant()
    house.user = GrantedUser(
        {"url": credential.url, "seed": credential.seed, "inbox_prefix": credential.inbox_prefix}
    )
    await house.user.connect(max_reconnect_attempts=-1)
    events = subscribe(
        house.user.client,
        credential,
        http_url=house.http_url,
        key=key or house.world.demo.key,
        after=after,
    )
    async with aclosing(events):  # type: ignore[type-var]
        yield events
    await house.user.client.close()


async def take(events: AsyncIterator[Recorded[Any]], count: int) -> list[Recorded[Any]]:
    async with patience():
        return [await anext(events) for _ in range(count)]


def texts(events: list[Recorded[Any]]) -> list[str]:
    assert [event.position for event in events] == sorted({event.position for event in events})
    assert {(event.type, event.tenant) for event in events} == {(UserChat.stored_as, "demo")}
    return [event.data["text"] for event in events]


async def test_what_the_broker_has_forgotten_comes_from_the_feed(house: House) -> None:
    await house.say("old 1", "old 2")
    await house.forgotten()
    await house.say("new 1")

    async with listening(house) as events:
        assert texts(await take(events, 3)) == ["old 1", "old 2", "new 1"]
        await house.say("new 2")
        assert texts(await take(events, 1)) == ["new 2"]
        assert house.user is not None
        assert house.user.refusals == []


async def test_a_reader_slower_than_the_broker_forgets_misses_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ordered_consumer, "BATCH_MESSAGES_MAX", 3)  # else all is read ahead
    said = [f"number {n}" for n in range(40)]

    async def speak() -> None:
        for text in said:
            await house.say(text)
            await asyncio.sleep(0.02)

    heard = []
    async with running(speak()), listening(house) as events:
        for number in range(len(said)):
            heard += await take(events, 1)
            if number in (3, 20, 30):
                await asyncio.sleep(RETENTION.total_seconds() * 1.5)

    assert texts(heard) == said


async def test_it_starts_at_any_position(house: House) -> None:
    await house.say("one", "two", "three")
    async with listening(house) as events:
        first, second, third = await take(events, 3)

    for after in (first.position, first.position + 1, second.position):
        async with listening(house, after) as events:
            assert (await take(events, 1))[0] == (second if after < second.position else third)
    await house.forgotten()
    for after in (first.position, first.position + 1, second.position):
        async with listening(house, after) as events:
            assert (await take(events, 1))[0] == (second if after < second.position else third)


async def test_a_killed_broker_is_waited_for(house: House) -> None:
    await house.say("before")
    async with listening(house) as events:
        assert texts(await take(events, 1)) == ["before"]
        status = house.broker.status()
        assert status is not None
        assert status.pid is not None
        kill_9(status.pid)
        await house.say("meanwhile")
        assert texts(await take(events, 1)) == ["meanwhile"]


async def test_an_event_too_large_for_a_message_is_fetched(house: House) -> None:
    large = "x" * (DATA_BYTES_MAX + 1)
    async with listening(house) as events:
        await house.say(large, "small")
        assert texts(await take(events, 2)) == [large, "small"]


async def test_a_key_nobody_issued_and_a_key_of_another_tenant_are_said(house: House) -> None:
    await house.say("old")
    await house.forgotten()

    async with listening(house, key="nonsense") as events:
        with pytest.raises(Unauthenticated, match="401"):
            await anext(events)
    async with listening(house, key=house.world.keys.issue("other").key) as events:
        with pytest.raises(Misconfigured, match="not of demo"):
            await anext(events)


async def test_a_closed_connection_ends_it(house: House) -> None:
    async with listening(house) as events:
        await house.say("something")
        assert texts(await take(events, 1)) == ["something"]
        assert house.user is not None
        await house.user.client.close()
        with pytest.raises(Unavailable, match="closed"):
            await asyncio.wait_for(anext(events), WAIT_SECONDS_MAX)
