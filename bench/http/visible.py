"""How long after its commit an event is with the broker, and in each read model, of a whole system."""

import asyncio
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import httpx2
import nats
from tests.support.program import Program

EVENTS = 150
PAUSE_SECONDS = 0.03
POLL_SECONDS = 0.005
READY_SECONDS_MAX = 180.0
VISIBLE_SECONDS_MAX = 10.0


def measure_visible() -> dict[str, list[float]]:
    """Milliseconds after the answer to a POST, sorted: by the broker's subject or read model's name."""
    with tempfile.TemporaryDirectory(prefix="aig-bench-") as directory:
        program = Program(Path(directory) / "data")
        program.start()
        try:
            return asyncio.run(_measure(program.connect()))
        finally:
            program.stop()


async def _measure(doors: dict[str, Any]) -> dict[str, list[float]]:
    heard: dict[int, float] = {}
    found: defaultdict[str, list[float]] = defaultdict(list)
    broker = await nats.connect(
        doors["nats_url"], user=doors["nats_user"], password=doors["nats_password"]
    )

    async def hear(message: Any) -> None:
        heard[int(message.headers["ce-position"])] = time.perf_counter()

    await broker.subscribe("events.demo.>", cb=hear)
    await broker.flush()
    headers = {"Authorization": f"Bearer {doors['api_key']}"}
    async with httpx2.AsyncClient(
        base_url=doors["http_url"], headers=headers, trust_env=False
    ) as client:
        started = (await client.post("/v1/conversations", json={})).json()
        path = f"/v1/conversations/{started['conversation_id']}/interactions"
        body = {"type": "user.action", "payload": {"name": "bench", "properties": {"n": 1}}}
        async with asyncio.timeout(READY_SECONDS_MAX):  # the first documents are being embedded
            await _visible(client, started["position"], time.perf_counter())
        for _ in range(EVENTS):
            position = (await client.post(path, json=body)).json()["position"]
            committed = time.perf_counter()
            async with asyncio.timeout(VISIBLE_SECONDS_MAX):
                visible = await _visible(client, position, committed)
            for name, seconds in visible.items():
                found[name].append(seconds * 1e3)
            found["broker"].append(max(0.0, heard[position] - committed) * 1e3)
            await asyncio.sleep(PAUSE_SECONDS)
    await broker.close()
    return {name: sorted(values) for name, values in found.items()}


async def _visible(client: httpx2.AsyncClient, position: int, committed: float) -> dict[str, float]:
    """Seconds until each read model reflects the position."""
    seen: dict[str, float] = {}
    while True:
        items = (await client.get("/v1/projections")).json()["items"]
        for item in items:
            if item["position"] >= position:
                seen.setdefault(item["name"], time.perf_counter() - committed)
        if len(seen) == len(items):
            return seen
        await asyncio.sleep(POLL_SECONDS)
