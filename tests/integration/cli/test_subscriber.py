"""The example subscriber, against a real broker."""

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import nats

from aigestion.events.conversation import UserChat
from aigestion.messaging.example import example_headers
from aigestion.messaging.subjects import event_subject

SECONDS_MAX = 20
EXAMPLE = Path(__file__).parents[3] / "examples/subscriber.py"


async def test_the_example_prints_what_users_do(nats_url: str, tmp_path: Path) -> None:
    connect = tmp_path / "connect.json"
    doors = {"nats_url": nats_url, "nats_user": None, "nats_password": None}
    connect.write_text(json.dumps(doors))
    listener = await asyncio.create_subprocess_exec(
        sys.executable, EXAMPLE, connect, stdout=PIPE, stderr=PIPE
    )
    assert listener.stdout is not None
    assert listener.stderr is not None
    async with asyncio.timeout(SECONDS_MAX):
        assert b"listening" in await listener.stderr.readline()
        broker = await nats.connect(nats_url)
        for subject in (event_subject("demo", "agent.replied"), event_subject("demo", "user.chat")):
            await broker.publish(subject, b'{"text":"hola"}', headers=example_headers(UserChat))
        await broker.close()
        printed = await listener.stdout.readline()
        listener.send_signal(signal.SIGINT)
        rest, errors = await listener.communicate()

    assert printed == b'42 user.chat {"text":"hola"}\n'
    assert (listener.returncode, rest, errors) == (0, b"", b"")


def test_the_example_stays_small() -> None:
    assert len(EXAMPLE.read_text().splitlines()) < 40
