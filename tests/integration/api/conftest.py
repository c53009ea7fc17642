"""The API on a real server and a real socket, over a log in memory."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from litestar import Litestar

from aigestion.api.app import create_app
from aigestion.api.server import serving
from aigestion.commands.conversation.start_conversation import StartConversation
from aigestion.commands.run.complete_model_call import CompleteModelCall
from aigestion.commands.run.request_model import RequestModel
from aigestion.commands.run.start_run import StartRun
from aigestion.events.conversation import AgentReplied, UserChat
from aigestion.events.recorded import Recorded
from aigestion.events.run import ModelCompleted
from aigestion.eventstore.pool import opened_pool
from aigestion.eventstore.postgres import PostgresBlobStore, PostgresEventStore, PostgresKeyTable
from aigestion.kernel.ids import new_id
from aigestion.kernel.query import matching
from aigestion.queries.conversations import Transcript
from tests.support.api import Client, asking
from tests.support.api_fakes import World
from tests.support.installation import Installation
from tests.support.log import migrated
from tests.support.network import network_to
from tests.support.postgres_views import Views
from tests.support.tasks import patience, running

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Answer(msgspec.Struct):
    """An answer as it came over the wire."""

    status: int
    headers: dict[str, str]
    content: bytes

    def json(self) -> Any:
        return json.loads(self.content)


class Wire:
    """A server, and bytes to and from it."""

    def __init__(self, port: int, world: World) -> None:
        self.port = port
        self.world = world

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    def request(self, method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
        """As bytes, with the demo key; a header of None is left out."""
        given = {
            "Host": "127.0.0.1",
            "Authorization": f"Bearer {self.world.demo.key}",
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {v}" for name, v in given.items())]
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body

    async def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
        reader, writer = await self.connect()
        writer.write(self.request(method, path, body, **headers))
        answer = await read_answer(reader)
        writer.close()
        return answer


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    """The next answer on a connection."""
    async with patience():
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:-2])
        }
        content = await reader.readexactly(int(headers.get("content-length", 0)))
        return Answer(int(head[0].split(" ")[1]), headers, content)


@pytest.fixture
def world() -> World:
    return World(heartbeat_seconds=0.2)


@pytest.fixture
def app(world: World) -> Litestar:
    return create_app(world.doors)


@pytest.fixture
async def wire(world: World, app: Litestar) -> AsyncIterator[Wire]:
    draining = world.doors.draining
    async with serving(app, host="127.0.0.1", port=0, draining=draining) as port:
        yield Wire(port, world)


@pytest.fixture
async def conversation(world: World) -> str:
    """The id of a conversation of `demo`."""
    (started,) = await world.happen(
        StartConversation(conversation_id=new_id(), user_id="ana", agent="assistant")
    )
    return str(started.data.conversation_id)


@pytest.fixture
async def agent(wire: Wire) -> AsyncIterator[None]:
    """Answers whatever it hears, in two pieces."""

    async def answer() -> None:
        answered = 0
        while True:
            heard = await wire.world.log.read(matching(types=(UserChat.stored_as,)), after=answered)
            for chat in heard:
                await _reply(wire, chat)
                answered = chat.position
            await asyncio.sleep(0.01)

    async with running(answer()):
        yield


async def _reply(wire: Wire, chat: Recorded[UserChat]) -> None:
    run, call = new_id(), new_id()
    whose: dict[str, Any] = {
        "run_id": run, "conversation_id": chat.data.conversation_id, "agent": chat.data.agent,
    }  # fmt: skip
    text = f"You said {chat.data.text}."
    await wire.world.happen(StartRun(**whose, in_reply_to=chat.id))
    await wire.world.happen(
        RequestModel(
            run_id=run, call_id=call, attempt=1, provider="p", model="m", parameters={}, manifest=(),
        )
    )  # fmt: skip
    for piece in (text[:4], text[4:]):
        wire.world.live.delta(chat.data.conversation_id, run, piece)
        await asyncio.sleep(0.01)
    completed = ModelCompleted(
        **whose, call_id=call, provider="p", requested_model="m", returned_model="m",
        finish_reason="stop", usage={}, input_tokens=1, output_tokens=1, requested_at=NOON,
        first_token_seconds=0.1, duration_seconds=0.2, output_hash="h",
    )  # fmt: skip
    wire.world.conversations.transcripts[chat.tenant, chat.data.conversation_id] = Transcript(
        conversation_id=chat.data.conversation_id, title=None, agent="assistant", user_id="ana",
        started_at=NOON, messages=[], archived=False,
    )  # fmt: skip
    reply = AgentReplied(**whose, user_id=chat.data.user_id, in_reply_to=chat.id, text=text)
    await wire.world.happen(CompleteModelCall(completed, reply))


@pytest.fixture
async def installation(database_url: str) -> AsyncIterator[Installation]:
    async with (
        network_to(await migrated(database_url)) as (network, url),
        opened_pool(url, connections_max=4) as pool,
    ):
        store = PostgresEventStore(pool, url)
        await store.start()
        world = World(store=store, keys=PostgresKeyTable(pool), blobs=PostgresBlobStore(pool))
        yield Installation(world, Views(pool), network)
        await store.close()


@pytest.fixture
async def client(installation: Installation) -> AsyncIterator[Client]:
    key = await installation.tenant("demo")
    async with asking(installation.app, key) as client:
        yield client
