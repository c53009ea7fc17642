"""Our side: the event store, in this process, under any number of calling tasks."""

import asyncio
import gc
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import chain, count
from pathlib import Path
from typing import Annotated, Any, ClassVar

import asyncpg

from aigestion.events.catalog import Catalog
from aigestion.events.event import ConversationId, Event, Personal, UserId
from aigestion.eventstore.append_connection import AppendConnection
from aigestion.eventstore.codec import Codec
from aigestion.eventstore.master_key import FileMasterKey
from aigestion.eventstore.migrate import migrate
from aigestion.eventstore.port import NewEvent
from aigestion.eventstore.postgres import PostgresBlobStore, PostgresEventStore, PostgresKeyTable
from aigestion.eventstore.vault import Vault
from aigestion.kernel.context import Context
from aigestion.kernel.ids import derived_id, new_id
from bench.append.measured import Measured

ROLE = "bench_runtime"
CONVERSATIONS = 1_000
USERS = 1_000
TEXT = "x" * 90
DATA = b'{"text":"' + TEXT.encode() * 2 + b'","number":1}'
READY_PER_SECOND = 80_000
"""Events are made before the clock starts, as pgbench's rows are literals: so many for each second."""

_ROOT = new_id()


class Sealed(Event, frozen=True, kw_only=True):
    """An event with two sealed fields; with the request tag it carries three tags."""

    stored_as: ClassVar[str] = "bench.sealed"
    conversation_id: ConversationId
    user_id: UserId
    question: Annotated[str, Personal("user_id")]
    answer: Annotated[str, Personal("user_id")]


class Ours:
    """A started store, a codec with an empty key table, and the appends to measure."""

    def __init__(self, pool: "asyncpg.Pool[Any]", url: str, directory: Path) -> None:
        self.store = PostgresEventStore(pool, url)
        vault = Vault(PostgresKeyTable(pool), FileMasterKey(directory / "master.key"))
        self._codec = Codec(Catalog((Sealed,)), vault, PostgresBlobStore(pool))
        self._group_sizes = _counting(self.store)

    async def measure(self, case: str, callers: int, seconds: float) -> Measured:
        """Let `callers` tasks append one event after the other for so many seconds."""
        append = self._sealing() if case == "sealed" else self._plain(case, seconds)
        if case == "sealed":  # keys are opened anew once a minute: not all in one of our seconds
            for user in range(USERS):
                await self._seal(user)
        latencies: list[float] = []
        gc.collect()
        gc.freeze()  # the events made beforehand are no garbage to look for
        self._group_sizes.clear()
        server = _backend_cpu(self.store)
        client, started = time.process_time(), time.perf_counter()
        end = started + seconds

        async def caller() -> None:
            begun = time.perf_counter()
            while begun < end:
                await append()
                now = time.perf_counter()
                latencies.append(now - begun)
                begun = now

        await asyncio.gather(*(caller() for _ in range(callers)))
        elapsed = time.perf_counter() - started
        client = time.process_time() - client
        server = _backend_cpu(self.store) - server
        gc.unfreeze()
        latencies.sort()
        appends = len(latencies)
        return Measured(
            rate=appends / elapsed,
            p50=latencies[appends // 2] * 1e3,
            p99=latencies[int(appends * 0.99)] * 1e3,
            group_size=sum(self._group_sizes) / len(self._group_sizes),
            client_cpu=client / appends * 1e6,
            server_cpu=server / appends * 1e6,
        )

    async def sealed_bytes(self) -> int:
        """How large the data of a sealed event is."""
        return len((await self._seal()).data)

    def _plain(self, case: str, seconds: float) -> Callable[[], Awaitable[int]]:
        tagged = case == "tagged"
        ready = [plain_event(tagged) for _ in range(int(READY_PER_SECOND * seconds))]
        events = chain(ready, (plain_event(tagged) for _ in count()))
        return lambda: self.store.append((next(events),))

    def _sealing(self) -> Callable[[], Awaitable[int]]:
        async def append() -> int:
            return await self.store.append((await self._seal(),))

        return append

    async def _seal(self, user: int | None = None) -> NewEvent:
        user = random.randrange(USERS) if user is None else user
        event = Sealed(
            conversation_id=derived_id(_ROOT, str(random.randrange(CONVERSATIONS))),
            user_id=f"{user:08}",
            question=TEXT,
            answer=TEXT,
        )
        return await self._codec.seal(
            event,
            Context(tenant="demo", actor="user:ana"),
            event_id=new_id(),
            occurred_at=datetime.now(UTC),
            extra_tags=(f"request:{random.randrange(10**9):032}",),
        )


def plain_event(tagged: bool) -> NewEvent:
    """An event with three tags or none; its data is `DATA`."""
    identity = new_id()
    tags = (
        f"demo/conversation:{random.randrange(CONVERSATIONS):036}",
        f"demo/user:{random.randrange(USERS):08}",
        f"demo/request:{random.randrange(10**9):032}",
    )
    return NewEvent(
        id=identity,
        type="user.chat",
        schema_version=1,
        tags=tags if tagged else (),
        tenant="demo",
        actor="user:ana",
        correlation_id=identity,
        causation_id=None,
        occurred_at=datetime.now(UTC),
        data=DATA,
    )


@asynccontextmanager
async def started(owner_url: str, directory: Path) -> AsyncIterator[Ours]:
    """A migrated log and our side on it."""
    await migrate(owner_url, ROLE, None)
    url = owner_url.replace("postgres@", f"{ROLE}@", 1)
    async with asyncpg.create_pool(url, min_size=1, max_size=2) as pool:
        ours = Ours(pool, url, directory)
        await ours.store.start()
        yield ours
        await ours.store.close()


def _lanes_of(store: PostgresEventStore) -> list[AppendConnection]:
    return store._appender._lanes


def _counting(store: PostgresEventStore) -> list[int]:
    """Note the size of every group that is sent."""
    sizes: list[int] = []
    for lane in _lanes_of(store):
        send = lane.send

        async def counted(group: Any, send: Any = send) -> Any:
            sizes.append(len(group.requests))
            return await send(group)

        lane.send = counted  # type: ignore[method-assign]
    return sizes


def _backend_cpu(store: PostgresEventStore) -> float:
    """Seconds of CPU that the lanes' server processes have used."""
    nanoseconds = 0
    for lane in _lanes_of(store):
        assert lane._backend is not None
        nanoseconds += int(Path(f"/proc/{lane._backend[0]}/schedstat").read_text().split()[0])
    return nanoseconds / 1e9
