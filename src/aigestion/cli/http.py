"""The HTTP door of a running system, as commands use it."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from typing import Any, Self

import httpx2

from aigestion.embedded.connect_file import Doors
from aigestion.kernel.errors import AIGestionError, Corrupt, Unavailable

CONNECT_SECONDS_MAX = 5.0
ANSWER_SECONDS_MAX = 30.0
SILENCE_SECONDS_MAX = 45.0
"""Longest silence of a stream; its heartbeats come every 15 s."""
EVENT_BYTES_MAX = 16 * 1024 * 1024


class Answered(AIGestionError):
    """The API answered with a problem; `details` are its members."""

    @property
    def status(self) -> int:
        return int(self.details.get("status", 0))


class BrokenOff(Unavailable):
    """The connection ended before the answer did."""


class Api:
    """JSON in, JSON out. Raises `Answered` for a problem, `BrokenOff` when nobody answers."""

    def __init__(self, url: str, key: str | None) -> None:
        self._client = httpx2.AsyncClient(
            base_url=url,
            headers={"Authorization": f"Bearer {key}"} if key else {},
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
        with _reaching(self._client):
            return _content(await self._client.get(path, params=parameters))

    async def position(self, path: str) -> int:
        """The position an answer reflects."""
        with _reaching(self._client):
            answer = await self._client.get(path)
            _content(answer)
            return int(answer.headers["Aigestion-Position"])

    async def post(self, path: str, body: Any, *, idempotency_key: str) -> Any:
        headers = {"Idempotency-Key": idempotency_key}
        with _reaching(self._client):
            return _content(await self._client.post(path, json=body, headers=headers))

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


def api(doors: Doors) -> Api:
    """The API as the demo's user."""
    return Api(doors.http_url, doors.api_key)


def operator_api(doors: Doors) -> Api:
    """The API as who runs this installation."""
    return Api(doors.http_url, doors.operator_key)


@contextmanager
def _reaching(client: httpx2.AsyncClient) -> Iterator[None]:
    try:
        yield
    except httpx2.TransportError as error:
        what = str(error) or type(error).__name__
        raise BrokenOff(f"{client.base_url} does not answer: {what}", engine="http") from error


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
