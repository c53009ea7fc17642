"""The measured server, in a process of its own: the whole API over a real log in PostgreSQL."""

import asyncio
import cProfile
import json
import pstats
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
import msgspec
import uvloop
from litestar import post
from pydantic import BaseModel
from tests.support.api_fakes import World

from aigestion.api.app import create_app
from aigestion.api.server import serving
from aigestion.bootstrap.garbage import settle_garbage
from aigestion.commands.conversation.start_conversation import StartConversation
from aigestion.eventstore.migrate import migrate
from aigestion.eventstore.postgres import PostgresBlobStore, PostgresEventStore, PostgresKeyTable
from aigestion.kernel.ids import new_id

CONVERSATIONS = 64
USERS = 16


class Trivial(BaseModel):
    """As large as an interaction."""

    type: str
    payload: dict[str, str]


class Answer(msgspec.Struct):
    """As large as an interaction's answer."""

    event_id: str
    position: int


@post("/trivial", status_code=202)
async def trivial(data: Trivial) -> Answer:
    """What the framework and the server cost alone."""
    return Answer("00000000-0000-0000-0000-000000000000", len(data.type))


async def main(owner_url: str) -> None:
    await migrate(owner_url, "bench_runtime", None)
    url = owner_url.replace("postgres@", "bench_runtime@")
    pool = await asyncpg.create_pool(url, min_size=2, max_size=8)
    store = PostgresEventStore(pool, url)
    await store.start()
    world = World(store=store, keys=PostgresKeyTable(pool), blobs=PostgresBlobStore(pool))
    conversations = [new_id() for _ in range(CONVERSATIONS)]
    for number, conversation_id in enumerate(conversations):
        user_id = f"user-{number % USERS}"
        start = StartConversation(
            conversation_id=conversation_id, user_id=user_id, agent="assistant"
        )
        await world.happen(start)
    app = create_app(world.doors)
    app.register(trivial)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    draining = world.doors.draining
    async with serving(app, host="127.0.0.1", port=0, draining=draining) as port:
        doors = {"port": port, "key": world.demo.key, "conversations": [*map(str, conversations)]}
        settle_garbage()  # as `aigestion up` does
        print(json.dumps(doors), flush=True)
        with profiled():
            await stop.wait()
    await store.close()
    await pool.close()


@contextmanager
def profiled() -> Iterator[None]:
    """With `--profile`: where the time of the event loop's thread goes, on standard error."""
    if "--profile" not in sys.argv:
        yield
        return
    with cProfile.Profile() as profile:
        yield
    pstats.Stats(profile, stream=sys.stderr).sort_stats("tottime").print_stats(40)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
