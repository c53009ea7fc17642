"""What a granted credential may do on a real broker, and everything it may not."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import nats.errors
import pytest
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from aigestion.bootstrap import grants
from aigestion.bootstrap.grants import (
    add_grant,
    credential_of,
    keep_grants,
    new_grant,
    revoke_grant,
)
from aigestion.embedded.datadir import DataDir
from aigestion.embedded.nats import EmbeddedNats
from aigestion.embedded.nats_configuration import STREAM
from aigestion.embedded.nats_grants import GRANTS_FILE, Grant, read_grants
from aigestion.kernel.clock import utc_now
from aigestion.kernel.errors import Corrupt, NotFound
from aigestion.messaging.credential import Credential
from aigestion.messaging.jetstream import JetStreamBroker
from aigestion.messaging.port import Message
from tests.support.nkey_client import GrantedUser, public_key
from tests.support.tasks import eventually, patience
from tests.support.tasks import running as in_background

EVENTS = ("acme.user.chat", "acme.agent.replied", "other.user.chat", "acme.user.action")
FORBIDDEN_SECONDS_MAX = 2


@pytest.fixture
def data_dir(tmp_path: Path) -> Any:
    data_dir = DataDir(tmp_path / "data")
    with data_dir.locked():
        yield data_dir


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
    """A running broker that holds `EVENTS` as positions 1 to 4."""
    async with running(data_dir) as started, as_user(started, "relay") as relay:
        stream = JetStreamBroker(relay)
        await stream.create(1)
        await stream.publish(
            [Message(n, f"events.{s}", {}, b"{}") for n, s in enumerate(EVENTS, 1)]
        )
        yield started


@asynccontextmanager
async def as_user(broker: EmbeddedNats, name: str) -> AsyncIterator[Any]:
    client = await nats.connect(broker.url(name))
    try:
        yield client
    finally:
        await client.close()


async def granted(
    broker: EmbeddedNats,
    data_dir: DataDir,
    types: str = "user.*",
    *,
    tenant: str = "acme",
    lasts: timedelta | None = None,
) -> dict[str, Any]:
    grant, key = new_grant(tenant, types, utc_now() + lasts if lasts else None)
    await add_grant(data_dir, grant, broker.port)
    return as_json(credential_of(grant, key, broker.address))


def as_json(credential: Credential) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(credential)
    return found


@asynccontextmanager
async def connected(credential: dict[str, Any], **options: Any) -> AsyncIterator[GrantedUser]:
    user = GrantedUser(credential)
    await user.connect(**options)
    try:
        yield user
    finally:
        await user.client.close()


async def heard(user: GrantedUser, start: int = 1) -> list[tuple[int, str]]:
    """What a pull consumer brings: position and subject."""
    credential = user.credential
    js = user.client.jetstream(timeout=1)
    name = credential["consumer"]
    with suppress(nats.js.errors.NotFoundError):
        await js.delete_consumer(STREAM, name)
    config = ConsumerConfig(
        name=name,
        filter_subject=credential["subject"],
        deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
        opt_start_seq=start,
        ack_policy=AckPolicy.EXPLICIT,
    )
    await js.add_consumer(STREAM, config)
    pull = await js.pull_subscribe_bind(name, stream=STREAM)
    messages = await pull.fetch(10, timeout=0.3)
    for message in messages:
        await message.ack_sync()
    assert (await js.consumer_info(STREAM, name)).num_ack_pending == 0
    return [(message.metadata.sequence.stream, message.subject) for message in messages]


async def test_a_grant_reads_its_types_of_its_tenant_from_any_position(
    broker: EmbeddedNats, data_dir: DataDir
) -> None:
    async with connected(await granted(broker, data_dir)) as user:
        assert await heard(user) == [(1, "events.acme.user.chat"), (4, "events.acme.user.action")]
        assert await heard(user, 2) == [(4, "events.acme.user.action")]
        assert user.refusals == []


@pytest.mark.parametrize(("types", "positions"), [("*", [1, 2, 4]), ("agent.replied", [2])])
async def test_a_grant_may_be_for_one_type_or_for_all(
    broker: EmbeddedNats, data_dir: DataDir, types: str, positions: list[int]
) -> None:
    async with connected(await granted(broker, data_dir, types)) as user:
        assert [position for position, _ in await heard(user)] == positions


def attempts(name: str, others: str) -> dict[str, tuple[str, dict[str, Any]]]:
    """What must be refused: a request's subject and body, by what it is."""

    def create(consumer: str, subject: str = "", **config: Any) -> tuple[str, dict[str, Any]]:
        told = {"name": consumer, "ack_policy": "none", **config}
        if subject:
            told["filter_subject"] = subject
        path = f"$JS.API.CONSUMER.CREATE.{STREAM}.{consumer}" + (f".{subject}" if subject else "")
        return path, {"stream_name": STREAM, "config": told}

    durable = {"stream_name": STREAM, "config": {"durable_name": name}}
    return {
        "another tenant's subject": create(name, "events.other.user.*"),
        "every tenant's subject": create(name, "events.*.user.*"),
        "another type": create(name, "events.acme.agent.replied"),
        "an unfiltered consumer": create(name),
        "an unnamed consumer": (f"$JS.API.CONSUMER.CREATE.{STREAM}", durable),
        "a consumer of the old kind": (f"$JS.API.CONSUMER.DURABLE.CREATE.{STREAM}.{name}", durable),
        "a consumer of another name": create("mine", "events.acme.user.*"),
        "another's next message": (f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.{others}", {}),
        "another's consumer looked at": (f"$JS.API.CONSUMER.INFO.{STREAM}.{others}", {}),
        "another's consumer deleted": (f"$JS.API.CONSUMER.DELETE.{STREAM}.{others}", {}),
        "consumers listed": (f"$JS.API.CONSUMER.NAMES.{STREAM}", {}),
        "an event published": ("events.acme.user.chat", {}),
        "a live word published": ("live.acme.abc", {}),
        "another's ack": (f"$JS.ACK.{STREAM}.{others}.1.1.1.1.0", {}),
        "the stream deleted": (f"$JS.API.STREAM.DELETE.{STREAM}", {}),
        "the stream purged": (f"$JS.API.STREAM.PURGE.{STREAM}", {}),
        "the stream looked at": (f"$JS.API.STREAM.INFO.{STREAM}", {}),
        "a message read directly": (f"$JS.API.DIRECT.GET.{STREAM}", {"seq": 3}),
        "a message read by the API": (f"$JS.API.STREAM.MSG.GET.{STREAM}", {"seq": 3}),
        "the last of a subject": (f"$JS.API.DIRECT.GET.{STREAM}.events.other.user.chat", {}),
        "a message deleted": (f"$JS.API.STREAM.MSG.DELETE.{STREAM}", {"seq": 1}),
        "another stream": ("$JS.API.STREAM.CREATE.MINE", {"name": "MINE", "subjects": ["m.>"]}),
        "the server told to reload": ("$SYS.REQ.SERVER.PING", {}),
    }


ATTEMPTS = tuple(attempts("", ""))


async def test_a_grant_can_do_nothing_else(broker: EmbeddedNats, data_dir: DataDir) -> None:
    neighbour = await granted(broker, data_dir, tenant="other")
    async with (
        connected(neighbour) as other,
        connected(await granted(broker, data_dir)) as user,
    ):
        assert await heard(other) == [(3, "events.other.user.chat")]
        refused = [
            what
            for what, (subject, body) in attempts(
                user.credential["consumer"], neighbour["consumer"]
            ).items()
            if await _is_refused(user, subject, body)
        ]
        assert refused == list(ATTEMPTS)
        assert await heard(other) == [(3, "events.other.user.chat")]


async def _is_refused(user: GrantedUser, subject: str, body: dict[str, Any]) -> bool:
    """Whether the broker says that this may not be published."""
    await user.client.publish(subject, json.dumps(body).encode())
    return await user.is_refused(f'violation for publish to "{subject.lower()}"')


async def test_what_a_request_says_cannot_widen_what_its_subject_says(
    broker: EmbeddedNats, data_dir: DataDir
) -> None:
    async with connected(await granted(broker, data_dir)) as user:
        name, subject = user.credential["consumer"], user.credential["subject"]
        for config in (
            {"filter_subject": "events.other.user.*"},
            {"filter_subject": ""},
            {"filter_subjects": [subject, "events.other.>"]},
            {"filter_subject": subject, "durable_name": "another"},
            {"filter_subject": subject, "name": "another"},
        ):
            body = {"stream_name": STREAM, "config": {"name": name, "ack_policy": "none"} | config}
            reply = await user.client.request(
                f"$JS.API.CONSUMER.CREATE.{STREAM}.{name}.{subject}",
                json.dumps(body).encode(),
                timeout=FORBIDDEN_SECONDS_MAX,
            )
            told = json.loads(reply.data)
            assert "error" in told or told["name"] == name, config


async def test_a_grant_hears_no_subject_and_no_inbox_but_its_own(
    broker: EmbeddedNats, data_dir: DataDir
) -> None:
    async with connected(await granted(broker, data_dir)) as user:
        for subject in ("events.acme.user.*", "live.>", "_INBOX.>", "_INBOX.*.>", "$JS.>", ">"):
            await user.client.subscribe(subject)
            assert await user.is_refused(f'violation for subscription to "{subject.lower()}"')


async def test_a_consumer_that_delivers_elsewhere_does_no_harm(
    broker: EmbeddedNats, data_dir: DataDir
) -> None:
    """A push consumer's maker says where it delivers: neither to those who listen nor to the API."""
    async with connected(await granted(broker, data_dir)) as user, as_user(broker, "app") as app:
        live = await app.subscribe("live.>")
        await app.flush()
        name, subject = user.credential["consumer"], user.credential["subject"]
        for target in ("live.acme.abc", f"$JS.API.CONSUMER.DELETE.{STREAM}.{name}"):
            config = {"name": name, "filter_subject": subject, "deliver_subject": target}
            await user.client.request(
                f"$JS.API.CONSUMER.CREATE.{STREAM}.{name}.{subject}",
                json.dumps({"stream_name": STREAM, "config": config}).encode(),
                timeout=FORBIDDEN_SECONDS_MAX,
            )
            with pytest.raises(TimeoutError):
                await live.next_msg(0.2)
            js = user.client.jetstream(timeout=1)
            assert (await js.consumer_info(STREAM, name)).delivered.consumer_seq == 0
            await js.delete_consumer(STREAM, name)


async def test_revoked_it_is_disconnected_at_once_and_others_notice_nothing(
    broker: EmbeddedNats, data_dir: DataDir
) -> None:
    kept = await granted(broker, data_dir)
    async with (
        as_user(broker, "app") as app,
        connected(kept) as other,
        connected(await granted(broker, data_dir), allow_reconnect=False) as user,
    ):
        await revoke_grant(data_dir, user.credential["consumer"], broker.port)
        await eventually(lambda: not user.client.is_connected)
        assert await cannot_connect(user.credential)
        assert (await heard(other))[0] == (1, "events.acme.user.chat")
        assert [client.stats["reconnects"] for client in (app, other.client)] == [0, 0]

    with pytest.raises(NotFound, match="no grant acme-"):
        await revoke_grant(data_dir, user.credential["consumer"], broker.port)


async def test_expired_it_is_disconnected_and_opens_nothing(
    broker: EmbeddedNats, data_dir: DataDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grants, "LOOK_SECONDS", 0.05)
    async with in_background(keep_grants(data_dir, broker.port)):
        credential = await granted(broker, data_dir, lasts=timedelta(seconds=2))
        async with connected(credential, allow_reconnect=False) as user:
            assert await heard(user)
            await eventually(lambda: not user.client.is_connected)
        assert await cannot_connect(credential)
    (kept,) = read_grants(data_dir)
    assert not kept.holds(utc_now())


async def test_grants_survive_a_restart_and_those_that_expired_meanwhile_do_not(
    data_dir: DataDir,
) -> None:
    async with running(data_dir) as broker:
        lasting = await granted(broker, data_dir)
        short = await granted(broker, data_dir, lasts=timedelta(seconds=0.3))
    await asyncio.sleep(0.3)
    grant, key = new_grant("acme", "*", None)
    await add_grant(data_dir, grant, port=None)

    async with running(data_dir) as broker:
        at_rest = as_json(credential_of(grant, key, broker.address))
        async with connected(lasting), connected(at_rest):
            pass
        assert await cannot_connect(short)


async def test_what_a_killed_command_left_half_done_comes_into_force(
    broker: EmbeddedNats, data_dir: DataDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grants, "LOOK_SECONDS", 0.05)
    async with in_background(keep_grants(data_dir, broker.port)):
        await asyncio.sleep(0)
        grant, key = new_grant("acme", "user.*", None)
        await add_grant(data_dir, grant, port=None)  # it did not get as far as the broker
        credential = as_json(credential_of(grant, key, broker.address))
        async with patience():
            while await cannot_connect(credential):
                await asyncio.sleep(0.05)


async def test_the_data_dir_has_no_seed_and_the_key_is_the_seeds(data_dir: DataDir) -> None:
    grant, key = new_grant("acme", "user.*", None)
    await add_grant(data_dir, grant, None)

    assert key.seed not in (data_dir.path / GRANTS_FILE).read_text()
    assert public_key(key.seed) == key.public == read_grants(data_dir)[0].public_key
    assert (key.seed[:2], key.public[:1]) == ("SU", "U")


async def test_grants_made_at_the_same_time_are_all_kept(data_dir: DataDir) -> None:
    made = [new_grant("acme", "user.*", None)[0] for _ in range(8)]

    await asyncio.gather(*(add_grant(data_dir, grant, None) for grant in made))

    assert sorted(g.name for g in read_grants(data_dir)) == sorted(g.name for g in made)


def test_a_damaged_file_of_grants_is_named(data_dir: DataDir) -> None:
    data_dir.write_private(GRANTS_FILE, "{")

    with pytest.raises(Corrupt, match=GRANTS_FILE):
        read_grants(data_dir)


async def cannot_connect(credential: dict[str, Any]) -> bool:
    user = GrantedUser(credential)
    try:
        await user.connect(allow_reconnect=False, max_reconnect_attempts=0)
    except ConnectionError:  # refused, and gone before it could say why
        return True
    except nats.errors.Error as error:
        if "Authorization Violation" not in str(error):
            raise
        return True
    await user.client.close()
    return False


def test_a_grant_without_an_end_always_holds() -> None:
    grant: Grant = new_grant("acme", "*", None)[0]

    assert grant.holds(utc_now() + timedelta(days=10_000))
