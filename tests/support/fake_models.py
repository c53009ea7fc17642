"""A local server that speaks the wire formats of OpenAI, Anthropic and Gemini, well or badly.

    async with FakeModels() as server:
        server.plan(Answer("Hello ", "there."), Status(429, retry_after_seconds=2))

Each request plays the next behaviour of the plan; the last one again and again.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Self

from tests.support.fake_dialects import Answer, Dialect, Status, dialect_of


def says(*pieces: str, **how: Any) -> Answer:
    return Answer(pieces, **how)


@dataclass(frozen=True)
class Raw:
    """Answers 200 with exactly these bytes."""

    body: bytes
    content_type: str = "text/event-stream"


@dataclass(frozen=True)
class Silence:
    """Accepts the request and never answers."""


@dataclass(frozen=True)
class Endless:
    """Says the same piece for ever."""

    piece: str = "and on "


Behaviour = Answer | Status | Raw | Silence | Endless
Write = Callable[[bytes], Awaitable[None]]


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass
class FakeModels:
    """Listens on a free port of the loopback; `url` is what goes into `base_url`, `openai_url` for OpenAI."""

    behaviours: list[Behaviour] = field(default_factory=lambda: [Answer()])
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0

    def plan(self, *behaviours: Behaviour) -> None:
        self.behaviours = list(behaviours)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    @property
    def openai_url(self) -> str:
        return f"{self.url}/v1"

    async def idle(self) -> None:
        """Returns once nobody is connected."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def __aenter__(self) -> Self:
        self._tasks: set[asyncio.Task[None]] = set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        # A hung-up caller, a planned break and the server's own end look alike from here.
        with contextlib.suppress(
            ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError
        ):
            while True:
                asked = await _request(reader)
                self.asked.append(asked)
                index = min(len(self.asked), len(self.behaviours)) - 1
                await _play(self.behaviours[index], asked.path, writer)
        writer.close()
        self._tasks.discard(task)


async def _request(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    path = head[0].split(" ")[1]
    headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Asked(path, headers, json.loads(body or b"{}"))


async def _play(behaviour: Behaviour, path: str, writer: asyncio.StreamWriter) -> None:
    async def chunk(data: bytes) -> None:
        writer.write(b"%x\r\n%b\r\n" % (len(data), data))
        await writer.drain()

    async def head(status: int, content_type: str, extra: str = "") -> None:
        writer.write(
            f"HTTP/1.1 {status} X\r\ncontent-type: {content_type}\r\n{extra}"
            "transfer-encoding: chunked\r\n\r\n".encode()
        )

    dialect = dialect_of(path)
    match behaviour:
        case Silence():
            await asyncio.sleep(3600)
        case Status(status=status, retry_after_seconds=wait):
            said = wait is not None and dialect.retry_header
            await head(status, "application/json", f"retry-after: {wait}\r\n" if said else "")
            await chunk(json.dumps(dialect.error(behaviour)).encode())
        case Raw(body, content_type):
            await head(200, content_type)
            await chunk(body)
        case Endless(piece):
            await head(200, "text/event-stream")
            async for event in _endless(dialect, piece):
                await chunk(event)
        case Answer():
            await head(200, "text/event-stream")
            await _answer(behaviour, dialect, chunk, writer)
    writer.write(b"0\r\n\r\n")
    await writer.drain()


async def _answer(
    answer: Answer, dialect: Dialect, chunk: Write, writer: asyncio.StreamWriter
) -> None:
    frames = dialect.frames(answer)
    for event in frames.start:
        await chunk(event)
    for count in range(len(frames.pieces) + 1):
        if answer.cut_after == count:
            writer.transport.abort()
            raise ConnectionError
        if answer.close_after == count:
            return
        if answer.error_after == count:
            await chunk(frames.error)
            return
        if answer.hang_after == count:
            await _hang(answer.pings, dialect, chunk)
        if count < len(frames.pieces):
            await chunk(frames.pieces[count])
    for event in frames.end[:-1]:
        await chunk(event)
    if answer.hang_at_the_end:
        await _hang(answer.pings, dialect, chunk)
    await chunk(frames.end[-1])


async def _hang(pings: bool, dialect: Dialect, chunk: Write) -> None:
    while pings:
        await chunk(dialect.ping)
        await asyncio.sleep(0.05)
    await asyncio.sleep(3600)


async def _endless(dialect: Dialect, piece: str) -> AsyncIterator[bytes]:
    [event] = dialect.frames(Answer((piece,))).pieces
    while True:
        yield event
