"""The measured server, in a process of its own: the whole API over a real log in PostgreSQL."""

import asyncio
import cProfile
import json
import pstats
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg
import msgspec
import uvloop
from litestar import Litestar, post
from pydantic import BaseModel
from tests.support.api_fakes import World
from tests.support.valkey import valkey_server

from aigestion.api.app import create_app
from aigestion.api.server import serving
from aigestion.bootstrap.garbage import settle_garbage
from aigestion.commands.conversation.start_conversation import StartConversation
from aigestion.eventstore.migrate import migrate
from aigestion.eventstore.postgres import PostgresBlobStore, PostgresEventStore, PostgresKeyTable
from aigestion.kernel.ids import new_id
from aigestion.ratelimit.memory import MemoryRateLimiter
from aigestion.ratelimit.routes import PER_MINUTE, RouteLimits
from aigestion.ratelimit.valkey import ValkeyRateLimiter
from aigestion.valkey.client import opened_valkey

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
    """What the framework and the server cost alone, in an application that has nothing else."""
    return Answer("00000000-0000-0000-0000-000000000000", len(data.type))


async def main(owner_url: str) -> None:
    kind = sys.argv[sys.argv.index("--limits") + 1] if "--limits" in sys.argv else "off"
    async with limits(kind) as limiter:
        await serve(owner_url, limiter)


async def serve(owner_url: str, limiter: RouteLimits | None) -> None:
    await migrate(owner_url, "bench_runtime", None)
    url = owner_url.replace("postgres@", "bench_runtime@")
    pool = await asyncpg.create_pool(url, min_size=2, max_size=8)
    store = PostgresEventStore(pool, url)
    await store.start()
    keys, blobs = PostgresKeyTable(pool), PostgresBlobStore(pool)
    world = World(store=store, keys=keys, blobs=blobs, limiter=limiter)
    conversations = [new_id() for _ in range(CONVERSATIONS)]
    for number, conversation_id in enumerate(conversations):
        user_id = f"user-{number % USERS}"
        start = StartConversation(
            conversation_id=conversation_id, user_id=user_id, agent="assistant"
        )
        await world.happen(start)
    app = create_app(world.doors)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    draining = world.doors.draining
    async with (
        serving(app, host="127.0.0.1", port=0, draining=draining) as port,
        serving(Litestar([trivial]), host="127.0.0.1", port=0, draining=draining) as bare_port,
    ):
        doors = {
            "port": port,
            "bare_port": bare_port,
            "key": world.demo.key,
            "conversations": [*map(str, conversations)],
        }
        settle_garbage()  # as `aigestion up` does
        print(json.dumps(doors), flush=True)
        with profiled():
            await stop.wait()
    await store.close()
    await pool.close()


@asynccontextmanager
async def limits(kind: str) -> AsyncIterator[RouteLimits | None]:
    """`off`, `memory` or `valkey`; never reached, so that only their cost is seen."""
    high = dict.fromkeys(PER_MINUTE, 10_000_000)
    match kind:
        case "memory":
            yield RouteLimits(MemoryRateLimiter(), per_minute=high)
        case "valkey":
            with TemporaryDirectory() as folder, valkey_server(Path(folder)) as server:
                async with opened_valkey(server.url) as client:
                    store = ValkeyRateLimiter(client, namespace="bench")
                    yield RouteLimits(store, per_minute=high)
        case _:
            yield None


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
