"""Calls an API that runs in several processes as a load balancer does: ready ones only, refused ones elsewhere."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx2

PROBE_SECONDS = 0.1
TIMEOUT_SECONDS = 120.0


class Balanced:
    """Counts what a caller would call a failure: an answer of 500 and up, or none after sending.

    A view that is behind says when to come again, and is asked again then: that is counted by itself.
    """

    def __init__(self, client: httpx2.AsyncClient, urls: Sequence[str], key: str) -> None:
        self.failures: list[str] = []
        self.behind = 0
        """How often a view was behind what was asked for, for longer than the API waits."""
        self.requests = 0
        self._client = client
        self._urls = list(urls)
        self._ready = set(urls)
        self._turn = 0
        self._headers = {"Authorization": f"Bearer {key}"}

    async def request(self, method: str, path: str, **options: Any) -> httpx2.Response | None:
        """The answer; None, and a failure counted, if there is none."""
        self.requests += 1
        headers = self._headers | options.pop("headers", {})
        for _ in range(20):
            url = await self._next()
            try:
                answer = await self._client.request(method, url + path, headers=headers, **options)
            except httpx2.ConnectError:
                self._ready.discard(url)
                continue
            except httpx2.HTTPError as error:
                self.failures.append(f"{method} {path} at {url}: {error!r}")
                return None
            if answer.status_code == 503 and answer.json()["code"] == "view-behind":
                self.behind += 1
                await asyncio.sleep(float(answer.headers["Retry-After"]))
                continue
            if answer.status_code >= 500:
                self.failures.append(f"{method} {path}: {answer.status_code} {answer.text}")
            return answer
        self.failures.append(f"{method} {path}: nobody takes it")
        return None

    async def probe(self) -> None:
        """Ask every process whether it is ready, for ever."""
        while True:
            for url in self._urls:
                answer = None
                with suppress(httpx2.HTTPError):
                    answer = await self._client.get(f"{url}/health/ready")
                if answer is not None and answer.status_code == 200:
                    self._ready.add(url)
                else:
                    self._ready.discard(url)
            await asyncio.sleep(PROBE_SECONDS)

    async def _next(self) -> str:
        while not self._ready:
            await asyncio.sleep(PROBE_SECONDS)
        ready = sorted(self._ready)
        self._turn += 1
        return ready[self._turn % len(ready)]


@asynccontextmanager
async def balanced(urls: Sequence[str], key: str) -> AsyncIterator[Balanced]:
    """A balancer that probes while the block lasts."""
    limits = httpx2.Limits(max_connections=100, max_keepalive_connections=100)
    async with httpx2.AsyncClient(timeout=TIMEOUT_SECONDS, limits=limits) as client:
        made = Balanced(client, urls, key)
        probing = asyncio.create_task(made.probe())
        try:
            yield made
        finally:
            probing.cancel()
            with suppress(asyncio.CancelledError):
                await probing
