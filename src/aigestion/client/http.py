"""Requests to the HTTP API: JSON in, JSON out, sent again when that can do no harm."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from itertools import count
from typing import Any, Self

import httpx2

from aigestion.kernel.errors import AIGestionError, Corrupt, Unavailable

CONNECT_SECONDS_MAX = 5.0
ANSWER_SECONDS_MAX = 30.0
SILENCE_SECONDS_MAX = 45.0
"""Longest silence of a stream; its heartbeats come every 15 s."""
EVENT_BYTES_MAX = 16 * 1024 * 1024
FIRST_PAUSE_SECONDS = 0.2
PAUSE_SECONDS_MAX = 5.0
RETRY_AFTER_SECONDS_MAX = 60.0
PASSING = (429, 503)
"""Answers that another time may be different."""


class Answered(AIGestionError):
    """The API answered with a problem; `details` are its members."""

    @property
    def status(self) -> int:
        return int(self.details.get("status", 0))


class BrokenOff(Unavailable):
    """The connection ended before the answer did."""


class Api:
    """JSON in, JSON out. Raises `Answered` for a problem, `BrokenOff` when nobody answers.

    A request that nobody answered, or that was answered 429 or 503, is sent again, `attempts_max`
    times in all: after `Retry-After` if it came, else after a pause that grows. None is done twice,
    for a POST always has an idempotency key.
    """

    def __init__(
        self, url: str, key: str | None, *, user: str | None = None, attempts_max: int = 1
    ) -> None:
        """`user`: for whom of the tenant's users the requests are made."""
        given = {"Authorization": f"Bearer {key}" if key else None, "Aigestion-User": user}
        self._attempts_max = attempts_max
        self._client = httpx2.AsyncClient(
            base_url=url,
            headers={name: value for name, value in given.items() if value is not None},
            timeout=httpx2.Timeout(ANSWER_SECONDS_MAX, connect=CONNECT_SECONDS_MAX),
            trust_env=False,  # a proxy of the environment cannot reach this machine's loopback
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._client.aclose()

    async def get(self, path: str, **parameters: Any) -> Any:
        return _content(await self._sent("GET", path, params=parameters))

    async def position(self, path: str) -> int:
        """The position an answer reflects."""
        answer = await self._sent("GET", path)
        _content(answer)
        return int(answer.headers["Aigestion-Position"])

    async def post(self, path: str, body: Any, *, idempotency_key: str) -> Any:
        headers = {"Idempotency-Key": idempotency_key}
        return _content(await self._sent("POST", path, json=body, headers=headers))

    async def _sent(self, method: str, path: str, **what: Any) -> httpx2.Response:
        """The answer, be it a problem; the last one if it is sent more than once."""
        for attempt in count(1):
            last = attempt >= self._attempts_max
            pause = min(PAUSE_SECONDS_MAX, FIRST_PAUSE_SECONDS * 2 ** (attempt - 1))
            try:
                with _reaching(self._client):
                    answer = await self._client.request(method, path, **what)
            except BrokenOff:
                if last:
                    raise
            else:
                if last or answer.status_code not in PASSING:
                    break
                pause = _retry_after(answer) or pause
            await asyncio.sleep(pause)
        return answer

    async def steps(self, path: str) -> AsyncIterator[dict[str, Any]]:
        """The lines of an NDJSON answer, as they come."""
        with _reaching(self._client):
            async with self._client.stream("POST", path, timeout=_streaming()) as answer:
                await _refuse_problem(answer)
                async for line in answer.aiter_lines():
                    if line:
                        yield json.loads(line)

    @asynccontextmanager
    async def listening(
        self, path: str, *, after: int
    ) -> AsyncIterator[AsyncIterator[httpx2.ServerSentEvent]]:
        """The server-sent events later than position `after`; connected when the block is entered."""
        headers = {"Last-Event-ID": str(after)}
        with _reaching(self._client):
            async with self._client.sse(
                path, headers=headers, timeout=_streaming(), max_event_size=EVENT_BYTES_MAX
            ) as source:
                await _refuse_problem(source.response)
                async with aclosing(aiter(source)) as events:  # type: ignore[type-var]
                    yield events


@contextmanager
def _reaching(client: httpx2.AsyncClient) -> Iterator[None]:
    try:
        yield
    except httpx2.TransportError as error:
        what = str(error) or type(error).__name__
        raise BrokenOff(f"{client.base_url} does not answer: {what}", engine="http") from error


def _retry_after(answer: httpx2.Response) -> float | None:
    """The seconds an answer asks to wait, no more than anybody waits."""
    told = answer.headers.get("Retry-After", "")
    return min(float(told), RETRY_AFTER_SECONDS_MAX) if told.isdigit() else None


def _streaming() -> httpx2.Timeout:
    return httpx2.Timeout(SILENCE_SECONDS_MAX, connect=CONNECT_SECONDS_MAX)


async def _refuse_problem(answer: httpx2.Response) -> None:
    if answer.is_error:
        await answer.aread()
        _content(answer)


def _content(answer: httpx2.Response) -> Any:
    try:
        content = answer.json()
    except ValueError as error:
        raise Corrupt(f"{answer.url} answered {answer.status_code} without JSON.") from error
    if not answer.is_error:
        return content
    problem = content if isinstance(content, dict) else {}
    sentence = str(problem.get("detail") or f"{answer.url} answered {answer.status_code}")
    for fault in problem.get("errors") or ():
        sentence += f" {fault.get('field')}: {fault.get('message')}."
    members = {name: value for name, value in problem.items() if name != "message"}
    raise Answered(sentence, **{"status": answer.status_code, **members})
