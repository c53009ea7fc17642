"""A whole `aigestion up` on a data dir of its own, and a client for what it offers."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import nats
from tests.support.program import Program

READY_SECONDS_MAX = 30.0
POLL_SECONDS = 0.005


@contextmanager
def whole(environment: Mapping[str, str] | None = None) -> Iterator[Program]:
    """Started and stopped; `environment` in addition to what it has. Without the demo: its documents would
    be embedded all the while."""
    with tempfile.TemporaryDirectory(prefix="aig-bench-") as directory:
        program = Program(Path(directory) / "data")
        program.environment |= environment or {}
        with program:
            program.start("--no-demo")
            yield program
            program.stop()


@asynccontextmanager
async def asking(doors: Mapping[str, Any]) -> AsyncIterator[httpx2.AsyncClient]:
    """A client with a key of a tenant of its own, once that opens something."""
    tenant = f"bench-{uuid4().hex[:8]}"
    async with httpx2.AsyncClient(
        base_url=doors["http_url"], trust_env=False, timeout=30
    ) as client:
        operator = {"Authorization": f"Bearer {doors['operator_key']}"}
        made = await client.post("/v1/tenants", json={"tenant": tenant}, headers=operator)
        client.headers["Authorization"] = f"Bearer {made.json()['key']}"
        async with asyncio.timeout(READY_SECONDS_MAX):
            while (await client.get("/v1/caller")).status_code != 200:
                await asyncio.sleep(POLL_SECONDS)
        yield client


@asynccontextmanager
async def listening(doors: Mapping[str, Any]) -> AsyncIterator[Any]:
    """A NATS connection that may read events."""
    broker = await nats.connect(
        doors["nats_url"], user=doors["nats_user"], password=doors["nats_password"]
    )
    yield broker
    await broker.close()


async def conversation(client: httpx2.AsyncClient) -> tuple[str, int]:
    """Start one; its path for interactions, and the position."""
    started = (await client.post("/v1/conversations", json={})).json()
    return f"/v1/conversations/{started['conversation_id']}/interactions", started["position"]


async def visible(
    client: httpx2.AsyncClient, doors: Mapping[str, Any], position: int, since: float
) -> dict[str, float]:
    """Seconds from `since` until each read model reflects the position."""
    seen: dict[str, float] = {}
    operator = {"Authorization": f"Bearer {doors['operator_key']}"}
    while True:
        items = (await client.get("/v1/projections", headers=operator)).json()["items"]
        for item in items:
            if item["position"] >= position:
                seen.setdefault(item["name"], time.perf_counter() - since)
        if len(seen) == len(items):
            return seen
        await asyncio.sleep(POLL_SECONDS)
