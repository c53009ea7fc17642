"""The API on a real server and a real socket, over a log in memory."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import msgspec
import pytest
from litestar import Litestar

from aigestion.api.app import create_app
from aigestion.api.server import serving
from aigestion.commands.conversation.start_conversation import StartConversation
from aigestion.eventstore.postgres import PostgresBlobStore, PostgresEventStore, PostgresKeyTable
from aigestion.kernel.ids import new_id
from tests.support.api import Client, asking
from tests.support.api_fakes import World
from tests.support.cut_proxy import cut_proxy
from tests.support.installation import Installation
from tests.support.log import migrated
from tests.support.postgres_views import Views

ANSWER_SECONDS_MAX = 10.0


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
    async with asyncio.timeout(ANSWER_SECONDS_MAX):
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
async def installation(database_url: str) -> AsyncIterator[Installation]:
    async with (
        cut_proxy(await migrated(database_url)) as (network, url),
        asyncpg.create_pool(url, min_size=1, max_size=4) as pool,
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
