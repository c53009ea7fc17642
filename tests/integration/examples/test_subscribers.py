"""The example subscribers, each with its language's own client, against a broker that is killed meanwhile."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
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
from tests.support.transcripts import Transcript

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


async def test_every_example_prints_every_event_once_whatever_happens_to_the_broker(
    broker: EmbeddedNats, tmp_path: Path
) -> None:
    commands, missing = {}, []
    for language in SOURCES:
        try:
            commands[language] = prepared(EXAMPLES / language, tmp_path / language)
        except pytest.skip.Exception as reason:
            missing.append(str(reason))
    for language, command in commands.items():
        grant, key = new_grant("demo", "user.*", None)
        await add_grant(DataDir(tmp_path / "data"), grant, broker.port)
        credential = tmp_path / f"{language}.json"
        credential.write_bytes(msgspec.json.encode(credential_of(grant, key, broker.address)))
        command += [credential, tmp_path / f"{language}.txt"]
    await publish(broker, 1, 200)

    with ExitStack() as stack:
        printed = {
            language: stack.enter_context(started(command, tmp_path / f"{language}.first"))
            for language, command in commands.items()
        }
        await all_print(printed, expected(200))
        await restart(broker)
        await publish(broker, 201, 400)
        await all_print(printed, expected(400))
        for language in commands:  # killed before it remembers, it would print again
            await eventually(lambda: (tmp_path / f"{language}.txt").read_text() == "400")  # noqa: B023

    await publish(broker, 401, 440)
    with ExitStack() as stack:
        again = {
            language: stack.enter_context(started(command, tmp_path / f"{language}.second"))
            for language, command in commands.items()
        }
        await all_print(again, expected(440, 401))

    if missing:
        pytest.skip("; ".join(missing))
    transcript({language: printed[language]() + again[language]() for language in commands})


async def all_print(printed: dict[str, Callable[[], list[str]]], wanted: list[str]) -> None:
    for language, lines in printed.items():
        await eventually(lambda: len(lines()) >= len(wanted))  # noqa: B023
        assert lines() == wanted, language


def transcript(printed: dict[str, list[str]]) -> None:
    told = Transcript(
        "subscribers",
        "Three subscribers, one restart of the broker",
        "The [examples](../../examples/subscribers) in Python, Node and Go, each with its language's own client "
        "and a credential for what users of the tenant `demo` do. 440 events are published; the broker is killed "
        "after the first 200 and comes back; each subscriber is killed after 400 and started again.",
    )
    for language, lines in printed.items():
        run = {"python": "python subscriber.py", "node": "node subscriber.js", "go": "./subscriber"}
        told.ran(
            f"{run[language]} {language}.json {language}.txt",
            "\n".join([*lines[:2], "…", lines[-1]]),
        )
    told.tell("What each has printed, and how often a position came twice:")
    rows = [
        f"| {language} | {len(lines)} | {len(lines) - len(set(lines))} |"
        for language, lines in printed.items()
    ]
    told.tell("\n".join(["| subscriber | events | twice |", "|---|---|---|", *rows]))
    told.check()


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
