"""`python -m bench.agents`: interaction to final reply of a whole system, beside the bare SDK on the same provider."""

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from openai import AsyncOpenAI

from bench.results import Ratio, Section, keeping, percentile, told
from bench.whole import asking, conversation, listening, whole

CALLERS = (1, 8)
THINKING_SECONDS = (0.0, 0.5)
REPLY_SECONDS_MAX = 30.0
GOAL = 0.9
"""Of the bare SDK's pace, with a model that takes half a second: most take longer."""
TEXT = "Please tell me about positions."
SYSTEM = "You answer questions about the customer's documents, and quote them by number."

Ask = Callable[[int], Awaitable[None]]


async def paced(ask: Ask, callers: int, seconds: float) -> list[float]:
    """Every caller asks again as soon as it has its answer; seconds of each answer."""
    latencies: list[float] = []
    end = time.perf_counter() + seconds

    async def caller(number: int) -> None:
        while (begun := time.perf_counter()) < end:
            await ask(number)
            latencies.append(time.perf_counter() - begun)

    await asyncio.gather(*map(caller, range(callers)))
    return latencies


async def ours(doors: Mapping[str, Any], callers: int, seconds: float) -> list[float]:
    """An answer is there when a subscriber has it: everything of the run is recorded by then."""
    waiting: dict[str, asyncio.Event] = {}
    async with asking(doors) as client, listening(doors) as broker:

        async def hear(message: Any) -> None:
            waiting.setdefault(json.loads(message.data)["in_reply_to"], asyncio.Event()).set()

        await broker.subscribe("events.*.agent.replied", cb=hear)
        await broker.flush()

        async def ask(number: int) -> None:
            path, _ = await conversation(client)
            body = {"type": "user.chat", "payload": {"text": TEXT}}
            posted = (await client.post(path, json=body)).json()
            async with asyncio.timeout(REPLY_SECONDS_MAX):
                await waiting.setdefault(posted["event_id"], asyncio.Event()).wait()
            del waiting[posted["event_id"]]

        await paced(ask, callers, min(2.0, seconds))  # connections, caches, the SDK's own import
        return await paced(ask, callers, seconds)


async def bare(url: str, callers: int, seconds: float) -> list[float]:
    """The SDK, one client, the same provider: nothing searched, nothing recorded."""
    async with AsyncOpenAI(api_key="none", base_url=url, max_retries=0) as client:

        async def ask(_: int) -> None:
            stream = await client.chat.completions.create(
                model="bench",
                messages=[
                    {"role": "system", "content": SYSTEM},
                    {"role": "user", "content": TEXT},
                ],
                stream=True,
                stream_options={"include_usage": True},
            )
            async for _chunk in stream:
                pass

        await paced(ask, callers, 0.5)
        return await paced(ask, callers, seconds)


@contextmanager
def provider(thinking: float) -> Iterator[str]:
    command = [sys.executable, "-m", "bench.agents.provider", str(thinking)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}/v1"
        process.terminate()


def measured(seconds: float) -> Section:
    rows, ratios = [], []
    for thinking in THINKING_SECONDS:
        with provider(thinking) as url:
            environment = {
                "AIGESTION_MODELS__PROVIDER": "openai",
                "AIGESTION_OPENAI__BASE_URL": url,
                "AIGESTION_OPENAI__API": "chat",
                "AIGESTION_OPENAI__MODEL": "bench",
            }
            with whole(environment) as program:
                for callers in CALLERS:
                    theirs = asyncio.run(bare(url, callers, seconds))
                    mine = asyncio.run(ours(program.connect(), callers, seconds))
                    rows.append(_row(f"{thinking:g} s", callers, mine, theirs, seconds))
                    goal = GOAL if thinking else None
                    what = f"replies, {callers} at a time, a model of {thinking:g} s / bare SDK"
                    ratios.append(Ratio(what, len(mine) / len(theirs), goal))
    with whole() as program:
        for callers in CALLERS:
            mine = asyncio.run(ours(program.connect(), callers, seconds))
            rows.append(_row("builtin", callers, mine, None, seconds))
    return Section(
        name="agents",
        title="Interaction to final reply",
        told="A whole `aigestion up`: POST, log, relay, subscriber, context (two searches), model call, "
        "records, and the reply with a NATS subscriber; a fresh conversation each. Beside it the bare "
        "`openai` SDK on the same provider, a local one in the real wire format, which answers after so "
        "many seconds.",
        columns=[
            "model",
            "at a time",
            "ours/s",
            "p50 ms",
            "p99 ms",
            "SDK/s",
            "p50 ms ",
            "ours/SDK",
        ],
        rows=rows,
        ratios=ratios,
    )


def _row(
    model: str, callers: int, mine: list[float], theirs: list[float] | None, seconds: float
) -> list[str]:
    row = [model, str(callers), f"{len(mine) / seconds:.1f}"]
    row += [f"{percentile(mine, share) * 1e3:.1f}" for share in (0.5, 0.99)]
    if theirs is None:
        return [*row, "", "", ""]
    p50 = f"{percentile(theirs, 0.5) * 1e3:.1f}"
    return [*row, f"{len(theirs) / seconds:.1f}", p50, f"{len(mine) / len(theirs):.2f}"]


def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m bench.agents", description=__doc__)
    arguments.add_argument("--seconds", type=float, default=6.0, help="of each measurement")
    keeping(arguments)
    given = arguments.parse_args()
    told(measured(given.seconds), given.keep)


if __name__ == "__main__":
    main()
