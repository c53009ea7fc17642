"""The example subscribers, each with its language's own client, against a broker that is killed meanwhile."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec
import nats
import pytest

from aigestion.bootstrap.grants import add_grant, credential_of, new_grant
from aigestion.embedded.datadir import DataDir
from aigestion.embedded.nats import EmbeddedNats
from aigestion.messaging.jetstream import JetStreamBroker
from aigestion.messaging.port import Message
from tests.support.processes import kill_9
from tests.support.tasks import eventually

EXAMPLES = Path(__file__).parents[3] / "examples/subscribers"
SOURCES = {"python": "subscriber.py", "node": "subscriber.js", "go": "main.go"}
LINES_MAX = 60
BUILD_SECONDS_MAX = 120
TYPES = ("demo.user.chat", "demo.agent.replied", "demo.user.action", "other.user.chat")


def prepared(language: str, home: Path) -> list[str | Path]:
    """The command that runs an example of which a copy, with what it needs, is made in `home`."""
    shutil.copytree(EXAMPLES / language, home)
    match language:
        case "python":
            uv = Path(sys.executable).parent / "uv"
            _run(uv, "pip", "install", "-q", "--target", "lib", "-r", "requirements.txt", home=home)
            return ["env", f"PYTHONPATH={home / 'lib'}", sys.executable, home / "subscriber.py"]
        case "node":
            _run(_tool("node"), "--version", home=home)
            _run(_tool("npm"), "ci", "--no-audit", "--no-fund", home=home)
            return ["node", home / "subscriber.js"]
        case _:
            _run(_tool("go"), "build", "-o", "subscriber", ".", home=home)
            return [home / "subscriber"]


def _tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed here: its example was not run")
    return found


def _run(*command: str | Path, home: Path) -> None:
    done = subprocess.run(
        command, cwd=home, capture_output=True, text=True, timeout=BUILD_SECONDS_MAX, check=False
    )
    if done.returncode:
        pytest.skip(f"what the example needs cannot be had here: {done.stderr[-300:]}")


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
    command = prepared(language, tmp_path / language)
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


@contextmanager
def started(command: list[str | Path], output: Path) -> Iterator[Callable[[], list[str]]]:
    """A running example; yields what it has printed so far."""
    with ExitStack() as stack:
        out = stack.enter_context(output.open("wb"))
        err = stack.enter_context(output.with_suffix(".err").open("wb"))
        program = subprocess.Popen(command, stdout=out, stderr=err, env=dict(os.environ))
        try:
            yield lambda: output.read_text().splitlines()
            assert program.poll() is None, output.with_suffix(".err").read_text()
        finally:
            program.kill()
            program.wait()


@pytest.mark.parametrize(("language", "source"), SOURCES.items())
def test_an_example_stays_small(language: str, source: str) -> None:
    assert len((EXAMPLES / language / source).read_text().splitlines()) < LINES_MAX
