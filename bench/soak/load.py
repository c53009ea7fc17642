"""A steady load over HTTP: so many posts a second, whatever becomes of them."""

import asyncio
import time
from collections.abc import Sequence

import httpx2

from bench.soak.trend import Answer

CALLERS = 8
UNDER_WAY_MAX = 256
TRY_SECONDS_MAX = 6.0
BODY = {"type": "user.action", "payload": {"name": "bench", "properties": {"n": 1}}}


class Load:
    """Clients of all API processes, and conversations, in turn."""

    def __init__(self, clients: Sequence[httpx2.AsyncClient], paths: Sequence[str]) -> None:
        self._clients = clients
        self._paths = paths
        self._turn = 0
        self.answers: list[Answer] = []
        self.failures = 0
        """No answer, or one that says to try again: what faults bring."""
        self.refusals = 0
        """Any other answer than success: there must be none."""

    async def most(self, seconds: float) -> float:
        """Posts a second that a few callers get answered."""
        end = time.perf_counter() + seconds
        count = 0

        async def call() -> None:
            nonlocal count
            while time.perf_counter() < end:
                await self._post(0.0)
                count += 1

        await asyncio.gather(*(call() for _ in range(CALLERS)))
        self.answers.clear()
        return count / seconds

    async def steady(self, per_second: float, seconds: float) -> None:
        """Posts at this pace for so long; late ones are sent when there is room."""
        loop, tasks = asyncio.get_running_loop(), set[asyncio.Task[None]]()
        begun = loop.time()
        sent = 0
        while (now := loop.time() - begun) < seconds:
            while sent < now * per_second and len(tasks) < UNDER_WAY_MAX:
                task = asyncio.create_task(self._post(now))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
                sent += 1
            sent = max(sent, int(now * per_second) - UNDER_WAY_MAX)
            await asyncio.sleep(1 / per_second)
        await asyncio.gather(*tasks)

    async def _post(self, at: float) -> None:
        self._turn += 1
        client = self._clients[self._turn % len(self._clients)]
        begun = time.perf_counter()
        try:
            answer = await client.post(self._paths[self._turn % len(self._paths)], json=BODY)
        except httpx2.HTTPError:
            self.failures += 1
            return
        if answer.is_success:
            self.answers.append(Answer(at, time.perf_counter() - begun))
        elif answer.status_code >= 500:
            self.failures += 1
        else:
            self.refusals += 1
