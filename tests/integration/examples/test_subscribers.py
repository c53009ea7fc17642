"""The example subscribers, each with its language's own client, against a broker that is killed meanwhile."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import nats
import pytest

from aigestion.bootstrap.grants import add_grant, credential_of, new_grant
from aigestion.embedded.datadir import DataDir
from aigestion.embedded.nats import EmbeddedNats
from aigestion.messaging.jetstream import JetStreamBroker
from aigestion.messaging.port import Message
from tests.support.examples import prepared, started
from tests.support.processes import kill_9
from tests.support.tasks import eventually

EXAMPLES = Path(__file__).parents[3] / "examples/subscribers"
SOURCES = {"python": "subscriber.py", "node": "subscriber.js", "go": "main.go"}
LINES_MAX = 60
TYPES = ("demo.user.chat", "demo.agent.replied", "demo.user.action", "other.user.chat")


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[EmbeddedNats]:
    data_dir = DataDir(tmp_path / "data")
    with data_dir.locked():
        broker = EmbeddedNats(data_dir)
        await broker.start()
        yield broker
        await broker.stop()


async def publish(broker: EmbeddedNats, first: int, last: int) -> None:
    client = await nats.connect(broker.url("relay"))
    stream = JetStreamBroker(client)
    if await stream.last_sequence() is None:
        await stream.create(1)
    batch = [
        Message(n, f"events.{TYPES[n % len(TYPES)]}", {}, json.dumps({"n": n}).encode())
        for n in range(first, last + 1)
    ]
    await stream.publish(batch)
    await client.close()


def expected(last: int, first: int = 1) -> list[str]:
    """What is printed of the positions in between: what users of the tenant do."""
    return [
        f'{n} events.{TYPES[n % len(TYPES)]} {{"n": {n}}}'
        for n in range(first, last + 1)
        if TYPES[n % len(TYPES)].startswith("demo.user.")
    ]


@pytest.fixture(params=["python", "node", "go"])
def language(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


async def test_an_example_prints_every_event_once_whatever_happens_to_the_broker(
    language: str, broker: EmbeddedNats, tmp_path: Path
) -> None:
    command = prepared(EXAMPLES / language, tmp_path / language)
    grant, key = new_grant("demo", "user.*", None)
    await add_grant(DataDir(tmp_path / "data"), grant, broker.port)
    credential = tmp_path / "credential.json"
    credential.write_bytes(msgspec.json.encode(credential_of(grant, key, broker.address)))
    await publish(broker, 1, 200)
    position = tmp_path / "position.txt"

    with started([*command, credential, position], tmp_path / "first") as printed:
        await eventually(lambda: len(printed()) >= len(expected(200)), 30)
        await restart(broker)
        await publish(broker, 201, 400)
        await eventually(lambda: len(printed()) >= len(expected(400)), 30)
        assert printed() == expected(400)
        await eventually(
            lambda: position.read_text() == "400"
        )  # killed before, it would print it again

    await publish(broker, 401, 440)
    with started([*command, credential, position], tmp_path / "second") as printed:
        await eventually(lambda: len(printed()) >= len(expected(440, 401)), 30)
        assert printed() == expected(440, 401)


async def restart(broker: EmbeddedNats) -> None:
    """kill -9; the supervisor starts it again."""
    status = broker.status()
    assert status is not None
    assert status.pid is not None
    kill_9(status.pid)

    def is_back() -> bool:
        now = broker.status()
        return now is not None and now.restarts == status.restarts + 1 and now.state == "ready"

    await eventually(is_back)


@pytest.mark.parametrize(("language", "source"), SOURCES.items())
def test_an_example_stays_small(language: str, source: str) -> None:
    assert len((EXAMPLES / language / source).read_text().splitlines()) < LINES_MAX
