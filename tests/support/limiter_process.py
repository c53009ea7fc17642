"""A process that asks one rate limiter as fast as it can for a while, and prints when it was let through.

It says when it is ready, and is told on its standard input until when.
"""

import asyncio
import json
import sys
import time

from aigestion.ratelimit.port import Window
from aigestion.ratelimit.valkey import ValkeyRateLimiter
from aigestion.valkey.client import opened_valkey

TASKS = 4


async def main(url: str, namespace: str, limit: int, window_seconds: float) -> None:
    windows = (
        Window("key", limit, window_seconds),
        Window("tenant", 10 * limit, window_seconds),
    )
    admitted: list[tuple[float, float]] = []
    async with opened_valkey(url) as client:
        limiter = ValkeyRateLimiter(client, namespace=namespace)
        print("ready", flush=True)
        until = float(sys.stdin.readline())

        async def hammer() -> None:
            while (before := time.monotonic()) < until:  # one clock for all processes
                if (await limiter.decide("demo", windows)).admitted:
                    admitted.append((before, time.monotonic()))

        await asyncio.gather(*(hammer() for _ in range(TASKS)))
    print(json.dumps(admitted))


if __name__ == "__main__":
    url, namespace, limit, seconds = sys.argv[1:]
    asyncio.run(main(url, namespace, int(limit), float(seconds)))
