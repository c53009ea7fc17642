"""The embedded broker: durable, private, back after any kill; each user may do its own part only."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import nats
import nats.errors
import pytest
from faststream import AckPolicy
from faststream.nats import JStream, NatsBroker, PullSub
from nats.aio.client import Client
from nats.js.api import ConsumerConfig, DeliverPolicy, StorageType, StreamConfig

from aigestion.embedded import supervised
from aigestion.embedded.binaries import nats_server
from aigestion.embedded.datadir import DataDir
from aigestion.embedded.nats import EmbeddedNats
from aigestion.embedded.nats_configuration import STREAM, USERS
from aigestion.embedded.privileges import engine_user
from aigestion.embedded.supervised import State
from aigestion.kernel.errors import Unavailable
from aigestion.messaging import subjects
from aigestion.messaging.jetstream import JetStreamBroker
from aigestion.messaging.port import Message
from tests.support.disks import disk, fill
from tests.support.processes import kill_9, status_of
from tests.support.tasks import WAIT_SECONDS_MAX, eventually


@asynccontextmanager
async def running(data_dir: DataDir) -> AsyncIterator[EmbeddedNats]:
    broker = EmbeddedNats(data_dir)
    await broker.start()
    try:
        yield broker
    finally:
        await broker.stop()


@pytest.fixture
async def broker(data_dir: DataDir) -> AsyncIterator[EmbeddedNats]:
    async with running(data_dir) as started:
        yield started


class User:
    """A connection, and what the broker has forbidden it."""

    def __init__(self) -> None:
        self.refusals: list[str] = []
        self.client = Client()

    async def connect(self, url: str) -> None:
        async def refused(error: Exception) -> None:
            self.refusals.append(str(error))

        await self.client.connect(url, error_cb=refused, connect_timeout=2)

    async def is_refused(self, attempt: Callable[[], Awaitable[Any]]) -> bool:
        """Whether the broker forbids it; False only if it was let through."""
        before = len(self.refusals)
        try:
            await attempt()
        except (TimeoutError, nats.errors.Error):
            assert len(self.refusals) > before, "it failed, but not for want of a permission"
            return True
        await self.client.flush()
        await asyncio.sleep(0.05)
        return len(self.refusals) > before


@asynccontextmanager
async def connected(broker: EmbeddedNats, name: str) -> AsyncIterator[User]:
    user = User()
    await user.connect(broker.url(name))
    try:
        yield user
    finally:
        await user.client.close()


def pid_of(broker: EmbeddedNats) -> int:
    status = broker.status()
    assert status is not None
    assert status.pid is not None
    return status.pid


async def publish_event(broker: EmbeddedNats, position: int, data: bytes = b"{}") -> None:
    async with connected(broker, "relay") as relay:
        stream = JetStreamBroker(relay.client)
        if await stream.last_sequence() is None:
            await stream.create(1)
        headers = {"ce-id": "0" * 32, "ce-position": str(position)}
        await stream.publish([Message(position, "events.demo.user.chat", headers, data)])


async def test_its_configuration_is_valid(data_dir: DataDir, broker: EmbeddedNats) -> None:
    check = await asyncio.create_subprocess_exec(
        *(nats_server(engine_user()), "-t", "-c", data_dir.nats / "nats.conf"),
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await check.communicate()

    assert check.returncode == 0, said
    assert b"is valid" in said
    assert subjects.STREAM == STREAM


async def test_it_syncs_every_message_and_keeps_messages_small(broker: EmbeddedNats) -> None:
    async with connected(broker, "app") as app:
        told = app.client._server_info

    assert (told["max_payload"], told["auth_required"], told["jetstream"]) == (1 << 20, True, True)
    async with connected(broker, "sys") as system:
        answer = await system.client.request(
            "$SYS.REQ.SERVER.PING.JSZ", b'{"config":true}', timeout=5
        )
    assert b'"sync_always":true' in answer.data


async def test_only_known_users_with_their_password_get_in(broker: EmbeddedNats) -> None:
    for url in (
        broker.address,
        broker.url("app").replace(broker.password("app"), broker.password("reader")),
        broker.url("app").replace("app:", "somebody:"),
    ):
        with pytest.raises(nats.errors.Error, match="Authorization Violation"):
            await User().client.connect(url, allow_reconnect=False, max_reconnect_attempts=0)
    assert len({broker.password(user) for user in USERS}) == 4


async def test_events_port_and_passwords_survive_a_restart(data_dir: DataDir) -> None:
    async with running(data_dir) as broker:
        await publish_event(broker, 1)
        urls = [broker.url(user) for user in USERS]

    async with running(data_dir) as broker:
        assert [broker.url(user) for user in USERS] == urls
        await publish_event(broker, 2)


async def test_killed_it_comes_back_with_everything_it_had_acknowledged(
    data_dir: DataDir, broker: EmbeddedNats
) -> None:
    await publish_event(broker, 1)
    pid = pid_of(broker)

    kill_9(pid)
    await eventually(lambda: _restarts_of(broker) == 1 and _is_ready(broker))

    await publish_event(broker, 2)
    stale = [path.name for path in data_dir.nats.glob("*.ports")]
    assert stale == [f"nats-server_{pid_of(broker)}.ports"]
    assert pid_of(broker) != pid


async def test_one_that_stands_still_is_started_again(
    broker: EmbeddedNats, data_dir: DataDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervised, "CHECK_SECONDS", 0.05)
    monkeypatch.setattr("aigestion.embedded.nats.HEALTH_TIMEOUT_SECONDS", 0.2)
    await publish_event(broker, 1)

    os.kill(pid_of(broker), 19)  # SIGSTOP: alive, and dead to the world
    await eventually(lambda: _restarts_of(broker) == 1 and _is_ready(broker))

    await publish_event(broker, 2)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
async def test_when_its_disk_was_full_it_goes_on_by_itself_and_nothing_is_lost(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # After a write that failed, the server stands still until it is started again.
    monkeypatch.setattr(supervised, "CHECK_SECONDS", 0.2)
    with disk(home, mebibytes=300):
        data_dir = DataDir(home / "data")
        with data_dir.locked():
            async with running(data_dir) as broker:
                await publish_event(broker, 1)
                fill(home / "filler", mebibytes_left=1)
                acknowledged = await _publish_until_it_fails(broker)
                (home / "filler").unlink()
                await eventually(lambda: _restarts_of(broker) >= 1 and _is_ready(broker))
                async with connected(broker, "relay") as relay:
                    last = await JetStreamBroker(relay.client).last_sequence()

                # One more may have been stored, and its answer lost.
                assert last in (acknowledged, acknowledged + 1)
                await publish_event(broker, last + 1)


async def _publish_until_it_fails(broker: EmbeddedNats) -> int:
    """The last position the broker has acknowledged."""
    for position in range(2, 100):
        try:
            await publish_event(broker, position, bytes(100_000))
        except Unavailable:
            return position - 1
    pytest.fail("the disk was never full")


async def test_the_relay_publishes_events_and_keeps_the_stream(broker: EmbeddedNats) -> None:
    await publish_event(broker, 1)
    async with connected(broker, "relay") as relay:
        stream = JetStreamBroker(relay.client)

        assert await stream.last_sequence() == 1
        assert await stream.event_id_at(1) is not None
        assert relay.refusals == []


@pytest.mark.parametrize("name", ["relay", "app", "reader"])
async def test_nobody_can_remove_anything_from_the_stream(broker: EmbeddedNats, name: str) -> None:
    await publish_event(broker, 1)
    async with connected(broker, name) as user:
        js = user.client.jetstream(timeout=0.3)

        assert await user.is_refused(lambda: js.delete_stream(STREAM))
        assert await user.is_refused(lambda: js.purge_stream(STREAM))
        assert await user.is_refused(lambda: js.delete_msg(STREAM, 1))
        for subject in ("STREAM.RESTORE", "STREAM.SNAPSHOT", "STREAM.MSG.DELETE", "STREAM.PURGE"):
            request = f"$JS.API.{subject}.{STREAM}"
            assert await user.is_refused(
                lambda request=request: user.client.publish(request, b"{}")
            )
    await publish_event(broker, 2)


@pytest.mark.parametrize("name", ["relay", "app", "reader"])
async def test_nobody_makes_streams_of_other_names(broker: EmbeddedNats, name: str) -> None:
    config = StreamConfig(name="MINE", subjects=["mine.>"], storage=StorageType.MEMORY)
    async with connected(broker, name) as user:
        js = user.client.jetstream(timeout=0.3)

        assert await user.is_refused(lambda: js.add_stream(config))


async def test_the_app_cannot_publish_events_but_live_words(broker: EmbeddedNats) -> None:
    await publish_event(broker, 1)
    async with connected(broker, "app") as app, connected(broker, "app") as other:
        heard = await other.client.subscribe("live.>")
        await other.client.flush()

        assert await app.is_refused(lambda: app.client.publish("events.demo.user.chat", b"{}"))
        assert await app.is_refused(lambda: app.client.publish("anything", b"{}"))
        assert not await app.is_refused(lambda: app.client.publish("live.demo.abc", b"{}"))
        assert (await heard.next_msg(2)).subject == "live.demo.abc"
    await publish_event(broker, 2)


async def test_the_app_reads_the_stream_in_order(broker: EmbeddedNats) -> None:
    await publish_event(broker, 1)
    async with connected(broker, "app") as app:
        async for batch in JetStreamBroker(app.client).messages(0):
            if batch:
                break

        assert [message.position for message in batch] == [1]
        assert await JetStreamBroker(app.client).event_id_at(1) is not None
        assert app.refusals == []


async def test_the_app_hears_user_events_through_faststream(broker: EmbeddedNats) -> None:
    await publish_event(broker, 1)
    heard: asyncio.Queue[int] = asyncio.Queue()
    refusals: list[str] = []

    async def refused(error: Exception) -> None:
        refusals.append(str(error))

    config = ConsumerConfig(
        durable_name="agents", deliver_policy=DeliverPolicy.ALL, max_deliver=5, ack_wait=30
    )
    hearing = NatsBroker(broker.url("app"), logger=None, apply_types=False, error_cb=refused)

    async def on_message(message: Any) -> None:
        await message.in_progress()
        await message.ack()
        heard.put_nowait(message.raw_message.metadata.sequence.stream)

    async def whole(message: Any) -> Any:
        return message

    hearing.subscriber(
        "events.*.user.*",
        stream=JStream(STREAM, declare=False),
        durable="agents",
        config=config,
        pull_sub=PullSub(batch_size=4, timeout=0.5),
        ack_policy=AckPolicy.MANUAL,
        no_reply=True,
        decoder=whole,
    )(on_message)
    await hearing.start()
    first = await asyncio.wait_for(heard.get(), WAIT_SECONDS_MAX)
    js = (await hearing.connect()).jetstream()
    await js.add_consumer(STREAM, config=config.evolve(filter_subject="events.*.user.*"))
    await publish_event(broker, 2)
    second = await asyncio.wait_for(heard.get(), WAIT_SECONDS_MAX)
    await asyncio.sleep(0.1)
    info = await js.consumer_info(STREAM, "agents")
    await hearing.stop()

    assert (first, second) == (1, 2)
    assert info.num_ack_pending == 0
    assert refusals == []


async def test_a_reader_hears_events_and_can_do_nothing_else(broker: EmbeddedNats) -> None:
    async with connected(broker, "reader") as reader:
        client = reader.client
        heard = await client.subscribe("events.demo.user.*")
        await client.flush()
        await publish_event(broker, 1)

        assert (await heard.next_msg(2)).subject == "events.demo.user.chat"
        for subject in ("events.demo.user.chat", "live.demo.abc", "_INBOX.a", "$JS.API.INFO"):
            assert await reader.is_refused(lambda s=subject: client.publish(s, b"{}")), subject
        for subject in ("live.>", "_INBOX.>", "$JS.>", "$SYS.>", ">"):
            assert await reader.is_refused(lambda s=subject: client.subscribe(s)), subject
        js = client.jetstream(timeout=0.3)
        assert await reader.is_refused(lambda: js.stream_info(STREAM))
    await publish_event(broker, 2)


async def test_the_app_cannot_make_the_broker_publish_for_it(broker: EmbeddedNats) -> None:
    """A push consumer delivers where its maker says: not back into the stream."""
    await publish_event(broker, 1)
    async with connected(broker, "app") as app:
        push = ConsumerConfig(durable_name="loop", deliver_subject="events.demo.forged")

        with pytest.raises(nats.errors.Error):
            await app.client.jetstream(timeout=1).add_consumer(STREAM, config=push)
    await publish_event(broker, 2)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has privileges to give up")
async def test_under_root_it_is_not_roots_and_its_passwords_are_its_own(
    broker: EmbeddedNats, data_dir: DataDir
) -> None:
    status = status_of(pid_of(broker))

    assert "0" not in status["Uid"].split() + status["Gid"].split()
    assert int(status["CapEff"], 16) == 0
    assert _mode_and_owner(data_dir.nats / "nats.conf") == (0o600, engine_user().uid)


def _mode_and_owner(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_mode & 0o777, found.st_uid


def _restarts_of(broker: EmbeddedNats) -> int:
    status = broker.status()
    assert status is not None
    return status.restarts


def _is_ready(broker: EmbeddedNats) -> bool:
    status = broker.status()
    assert status is not None
    return status.state == State.READY
