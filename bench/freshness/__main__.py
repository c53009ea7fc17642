"""`python -m bench.freshness`: append to visible, with the broker and in each read model, beside NATS alone."""

import argparse
import asyncio
import json
import time
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import nats
from nats.js.api import StreamConfig
from tests.support.broker_process import broker_process

from bench.results import Ratio, Section, keeping, percentile, told
from bench.whole import asking, conversation, listening, visible, whole

PAUSE_SECONDS = 0.03
VISIBLE_SECONDS_MAX = 20.0
SHARES = (0.5, 0.95, 0.99)
GOAL_SECONDS = 1.0
"""p95 of every read model."""
LIMIT = "NATS alone"
BROKER = "broker"
BODY = {"type": "user.action", "payload": {"name": "bench", "properties": {"n": 1}}}


async def ours(doors: Mapping[str, Any], events: int) -> dict[str, list[float]]:
    """Milliseconds after the answer to a POST: by the broker's name or the read model's."""
    heard: dict[int, float] = {}
    found: defaultdict[str, list[float]] = defaultdict(list)
    async with asking(doors) as client, listening(doors) as broker:

        async def hear(message: Any) -> None:
            heard[int(message.headers["ce-position"])] = time.perf_counter()

        await broker.subscribe("events.>", cb=hear)
        await broker.flush()
        path, position = await conversation(client)
        await visible(client, doors, position, time.perf_counter())
        for _ in range(events):
            position = (await client.post(path, json=BODY)).json()["position"]
            committed = time.perf_counter()
            async with asyncio.timeout(VISIBLE_SECONDS_MAX):
                seen = await visible(client, doors, position, committed)
            for name, seconds in seen.items():
                found[name].append(seconds * 1e3)
            found[BROKER].append(max(0.0, heard[position] - committed) * 1e3)
            await asyncio.sleep(PAUSE_SECONDS)
    return dict(found)


async def limit(url: str, messages: int) -> list[float]:
    """Milliseconds from a publish to a stream on disk until subscriber and publisher have heard of it."""
    client = await nats.connect(url)
    stream = client.jetstream()
    await stream.add_stream(StreamConfig(name="BENCH", subjects=["bench.>"]))
    heard: dict[int, float] = {}

    async def hear(message: Any) -> None:
        heard[json.loads(message.data)["n"]] = time.perf_counter()

    await client.subscribe("bench.>", cb=hear)
    await client.flush()
    found = []
    for n in range(messages):
        begun = time.perf_counter()
        await stream.publish("bench.one", json.dumps({"n": n, "padding": "x" * 300}).encode())
        while n not in heard:
            await asyncio.sleep(0)
        found.append((max(heard[n], time.perf_counter()) - begun) * 1e3)
        await asyncio.sleep(PAUSE_SECONDS)
    await client.close()
    return found


def measured(events: int) -> Section:
    with broker_process() as broker:
        alone = asyncio.run(limit(broker.url, events))
    with whole() as program:
        found = asyncio.run(ours(program.connect(), events))
    order = sorted(found, key=lambda name: percentile(found[name], 0.5))
    rows = [[LIMIT, *_points(alone)], *([name, *_points(found[name])] for name in order)]
    slowest = max(percentile(found[name], 0.95) for name in order) / 1e3
    ratios = [
        Ratio(
            "append to subscriber: NATS alone / ours, p50",
            percentile(alone, 0.5) / max(0.01, percentile(found[BROKER], 0.5)),
        ),
        Ratio(f"{GOAL_SECONDS:g} s / p95 of the slowest read model", GOAL_SECONDS / slowest, 1.0),
    ]
    return Section(
        name="freshness",
        title="Append to visible",
        told="A whole `aigestion up`; the clock starts when a POST of an action is answered, which is when "
        "it is durable, and stops when a NATS subscriber has it, and when `GET /v1/projections` shows "
        "each read model at its position (asked every 5 ms). Beside it: publish to receive and answer, "
        "of a stream on disk of a NATS server alone.",
        columns=["visible in", "p50 ms", "p95 ms", "p99 ms"],
        rows=rows,
        ratios=ratios,
    )


def _points(values: list[float]) -> list[str]:
    return [f"{percentile(values, share):.1f}" for share in SHARES]


def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m bench.freshness", description=__doc__)
    arguments.add_argument("--events", type=int, default=150)
    keeping(arguments)
    given = arguments.parse_args()
    told(measured(given.events), given.keep)


if __name__ == "__main__":
    main()
