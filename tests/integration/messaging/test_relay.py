"""The relay between a real log and a real broker, whatever happens to either."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from nats.aio.client import Client
from nats.js.api import StreamConfig

from aigestion.events.catalog import EVENTS, Catalog
from aigestion.events.conversation import UserChat
from aigestion.kernel.clock import utc_now
from aigestion.kernel.errors import LogEpochMismatch, Misconfigured, Unavailable, UnknownEvent
from aigestion.messaging.jetstream import JetStreamBroker
from aigestion.messaging.memory import MemoryLeadership
from aigestion.messaging.port import Leadership
from aigestion.messaging.relay import Relay
from aigestion.messaging.subjects import STREAM
from aigestion.prove.broker_files import erase
from tests.support.broker_process import BrokerProcess, connected
from tests.support.event_log import EventLog
from tests.support.history import chat
from tests.support.tasks import WAIT_SECONDS_MAX, eventually, running


def relay_of(log: EventLog, broker: JetStreamBroker, leadership: Leadership | None = None) -> Relay:
    relay = Relay(log.reader, broker, leadership or MemoryLeadership())
    log.store.on_append.append(relay.wake)  # type: ignore[attr-defined]
    return relay


async def ids_in(log: EventLog, first: int = 1) -> dict[int, UUID]:
    return {event.position: event.id for event in await log.reader.read(after=first - 1)}


async def ids_on(connection: Client) -> dict[int, UUID]:
    """Sequence and event id of everything the stream holds, asked one by one."""
    js = connection.jetstream()
    state = (await js.stream_info(STREAM)).state
    held: dict[int, UUID] = {}
    for sequence in range(state.first_seq, state.last_seq + 1):
        message = await js.get_msg(STREAM, sequence)
        assert message.headers is not None
        assert message.headers["ce-position"] == str(sequence)
        held[sequence] = UUID(message.headers["ce-id"])
    return held


async def copied(log: EventLog, broker: JetStreamBroker) -> bool:
    return await broker.last_sequence() == await log.reader.head()


async def test_every_event_arrives_once_at_its_position(
    log: EventLog, broker: JetStreamBroker, connection: Client
) -> None:
    relay = relay_of(log, broker)

    async with running(relay.run()):
        await asyncio.gather(*(log.record_chats(100, per_append=size) for size in (1, 2, 3, 50)))
        await eventually(lambda: copied(log, broker))

    assert await ids_on(connection) == await ids_in(log)
    assert (relay.published, relay.retries, relay.rewinds) == (400, 0, 0)


async def test_a_killed_broker_loses_and_doubles_nothing(
    log: EventLog, broker: JetStreamBroker, connection: Client, process: BrokerProcess
) -> None:
    relay = relay_of(log, broker)

    async with running(relay.run()):
        load = asyncio.create_task(log.record_chats(1500, per_append=3))
        for _ in range(3):
            await asyncio.sleep(0.2)
            await asyncio.to_thread(process.restart)
        await load
        await eventually(lambda: copied_in_spite(log, broker))

    assert await ids_on(connection) == await ids_in(log)
    assert relay.retries > 0


async def copied_in_spite(log: EventLog, broker: JetStreamBroker) -> bool:
    """As `copied`, on a broker that may be away."""
    try:
        return await copied(log, broker)
    except Exception:
        return False


@pytest.mark.parametrize("appending", [True, False])
async def test_what_the_broker_forgets_is_sent_again(
    log: EventLog,
    broker: JetStreamBroker,
    connection: Client,
    process: BrokerProcess,
    appending: bool,
) -> None:
    relay = relay_of(log, broker)

    async with running(relay.run()):
        await log.record_chats(50)
        await eventually(lambda: copied(log, broker))
        forget = process.remember()
        await log.record_chats(70)
        # Not only stored, but known to be: what was never acknowledged cannot be found missing.
        await eventually(lambda: relay.last_position == 120)
        process.kill()
        forget()
        process.start()
        if appending:
            await log.record_chats(1)
        await eventually(lambda: copied_in_spite(log, broker))

    assert await ids_on(connection) == await ids_in(log)
    assert relay.rewinds >= 1


async def test_what_the_broker_forgot_while_nobody_led_is_counted_by_who_led_before(
    log: EventLog, broker: JetStreamBroker, process: BrokerProcess
) -> None:
    relay = relay_of(log, broker)
    async with running(relay.run()):
        await log.record_chats(3)
        await eventually(lambda: copied(log, broker))
        forget = process.remember()
        await log.record_chats(7)
        await eventually(lambda: relay.last_position == 10)
    process.kill()
    forget()
    process.start()

    async with running(relay.run()):
        await eventually(lambda: copied_in_spite(log, broker))

    assert (relay.rewinds, relay.tenures) == (1, 2)


async def test_holes_in_the_stream_are_counted(
    log: EventLog, broker: JetStreamBroker, process: BrokerProcess
) -> None:
    async with running(relay_of(log, broker).run()):
        await log.record_chats(5)
        await eventually(lambda: copied(log, broker))
    assert broker.missing == 0
    process.kill()
    assert erase(process.store, 2, 3) == 2
    process.start()

    async def looked() -> bool:
        with suppress(Unavailable):
            return await broker.last_sequence() == 5
        return False

    await eventually(looked)
    assert broker.missing == 2


async def test_a_deleted_stream_is_made_anew_and_filled(
    log: EventLog, broker: JetStreamBroker, connection: Client
) -> None:
    relay = relay_of(log, broker)

    async with running(relay.run()):
        await log.record_chats(30)
        await eventually(lambda: copied(log, broker))
        await connection.jetstream().delete_stream(STREAM)
        await log.record_chats(5)
        await eventually(lambda: copied(log, broker))

    assert await ids_on(connection) == await ids_in(log)


async def test_a_new_stream_starts_with_what_it_would_still_keep(
    log: EventLog, broker: JetStreamBroker, connection: Client
) -> None:
    await log.record_chats(20)
    moment = utc_now()
    await log.record_chats(13)
    relay = Relay(log.reader, broker, MemoryLeadership(), clock=lambda: moment + broker.retention)

    async with running(relay.run()):
        await eventually(lambda: copied(log, broker))

    assert await ids_on(connection) == await ids_in(log, first=21)


async def test_a_new_stream_behind_an_old_log_starts_at_its_end(
    log: EventLog, broker: JetStreamBroker, connection: Client
) -> None:
    await log.record_chats(20)
    late = utc_now() + broker.retention + timedelta(days=1)
    relay = Relay(log.reader, broker, MemoryLeadership(), clock=lambda: late)

    async with running(relay.run()):
        await eventually(lambda: copied(log, broker))
        await log.record_chats(2)
        await eventually(lambda: copied(log, broker))

    assert await ids_on(connection) == await ids_in(log, first=21)


async def test_a_broker_ahead_of_the_log_stops_the_relay(
    log: EventLog, broker: JetStreamBroker
) -> None:
    await broker_follows(EventLog(), broker, events=10)
    await log.record_chats(3)
    relay = relay_of(log, broker)

    await asyncio.wait_for(relay.run(), WAIT_SECONDS_MAX)

    assert isinstance(relay.stopped_because, LogEpochMismatch)
    assert "10" in str(relay.stopped_because)
    assert (relay.published, await broker.last_sequence()) == (0, 10)


async def test_a_broker_that_follows_another_log_stops_the_relay(
    log: EventLog, broker: JetStreamBroker
) -> None:
    await broker_follows(EventLog(), broker, events=10)
    await log.record_chats(12)
    relay = relay_of(log, broker)

    await asyncio.wait_for(relay.run(), WAIT_SECONDS_MAX)

    assert isinstance(relay.stopped_because, LogEpochMismatch)
    assert (relay.published, await broker.last_sequence()) == (0, 10)


async def broker_follows(other: EventLog, broker: JetStreamBroker, events: int) -> None:
    async with running(relay_of(other, broker).run()):
        await other.record_chats(events)
        await eventually(lambda: copied(other, broker))


@pytest.mark.parametrize(
    ("setting", "drift"),
    [
        ("deny_purge", {"deny_purge": False}),
        ("discard", {"discard": "old"}),
        ("max_age", {"max_age": 60.0}),
        ("max_msgs", {"max_msgs": 5}),
        ("allow_msg_ttl", {"allow_msg_ttl": True}),
        ("allow_atomic", {"persist_mode": "async", "allow_atomic": None}),
    ],
)
async def test_a_stream_that_could_lose_events_stops_the_relay(
    log: EventLog, broker: JetStreamBroker, connection: Client, setting: str, drift: dict[str, Any]
) -> None:
    settings = {**broker._settings(), **drift}
    await connection.jetstream().add_stream(StreamConfig(name=STREAM, **settings))
    relay = relay_of(log, broker)

    await asyncio.wait_for(relay.run(), WAIT_SECONDS_MAX)

    assert isinstance(relay.stopped_because, Misconfigured)
    assert f"has {setting} = " in str(relay.stopped_because)


async def test_two_leaders_do_no_harm(
    log: EventLog, process: BrokerProcess, connection: Client, broker: JetStreamBroker
) -> None:
    async with connected(process.url) as other_connection:
        relays = [relay_of(log, broker), relay_of(log, JetStreamBroker(other_connection))]

        async with running(*(relay.run() for relay in relays)):
            await asyncio.gather(*(log.record_chats(300, per_append=size) for size in (1, 3)))
            await eventually(lambda: copied(log, broker))

    assert await ids_on(connection) == await ids_in(log)
    assert sum(relay.retries for relay in relays) > 0


async def test_an_unknown_event_stops_the_line_until_a_newer_program_leads(
    log: EventLog, broker: JetStreamBroker
) -> None:
    class UserSang(UserChat, frozen=True, kw_only=True):
        stored_as = "user.sang"

    newer = log.known_to(Catalog((*EVENTS, UserSang)))
    await log.record_chats(7)
    await newer.record(UserSang(**{n: getattr(chat("la"), n) for n in UserChat.__struct_fields__}))
    await log.record_chats(2)
    seat = MemoryLeadership()
    older_relay = relay_of(log, broker, seat)

    async with running(older_relay.run()):
        await eventually(lambda: older_relay.stopped_because is not None)
        assert isinstance(older_relay.stopped_because, UnknownEvent)
        assert older_relay.stopped_because.details["position"] == 8
        assert await broker.last_sequence() == 7
        async with running(relay_of(newer, broker, seat).run()):
            await eventually(lambda: copied(log, broker))


async def test_an_event_too_large_for_a_message_is_published_as_a_reference(
    log: EventLog, broker: JetStreamBroker, connection: Client
) -> None:
    await log.record(chat("x" * 3_000_000))
    await log.record_chats(1)

    async with running(relay_of(log, broker).run()):
        await eventually(lambda: copied(log, broker))

    message = await connection.jetstream().get_msg(STREAM, 1)
    assert message.data == b"{}"
    assert message.headers is not None
    assert message.headers["ce-dataref"] == "/v1/events?after=0&limit=1"


async def test_a_busy_relay_stops_as_soon_as_it_is_told_to(
    log: EventLog, broker: JetStreamBroker
) -> None:
    load = asyncio.create_task(log.record_chats(10_000, per_append=1))

    for attempt in range(60):
        task = asyncio.create_task(relay_of(log, broker).run())
        await asyncio.sleep(attempt % 20 / 1000)
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=2)
        assert done

    load.cancel()
