"""Servers of the harness itself: a model provider that misbehaves on demand, and two doors to empty stores."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Literal, Self

from aigestion.embedded.ports import LOOPBACK
from aigestion.prove.harm import Harm
from aigestion.prove.load import MARKER

HANG_SECONDS = 30.0

Respond = Callable[[str, bytes, asyncio.StreamWriter], Awaitable[None]]
Mode = Literal["well", "hang", "429", "garbage"]


class LocalServer:
    """Just enough HTTP/1.1 for clients that are known."""

    def __init__(self, respond: Respond) -> None:
        self._respond = respond
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, LOOPBACK, 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        # Callers are killed in the middle of everything; that is the point.
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                length = re.search(r"^content-length:\s*(\d+)", head, re.IGNORECASE | re.MULTILINE)
                body = await reader.readexactly(int(length[1]) if length else 0)
                await self._respond(head.split(" ")[1], body, writer)
                await writer.drain()
        writer.close()
        self._tasks.discard(task)


def _answer(
    writer: asyncio.StreamWriter,
    body: bytes,
    *,
    status: int = 200,
    kind: str = "application/json",
    extra: str = "",
) -> None:
    head = (
        f"HTTP/1.1 {status} -\r\ncontent-type: {kind}\r\n{extra}content-length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)


async def clickhouse_door(_path: str, body: bytes, writer: asyncio.StreamWriter) -> None:
    """Answers as a ClickHouse without a row: processes start, reports are not part of the run."""
    _answer(writer, b"26.3.1.1\tUTC\n" if b"version()" in body else b"", kind="text/plain")


async def qdrant_door(path: str, _body: bytes, writer: asyncio.StreamWriter) -> None:
    """Answers as a Qdrant without a collection."""
    if path == "/":
        about = {"title": "qdrant - vector search engine", "version": "1.19.0"}
        _answer(writer, json.dumps(about).encode())
    elif path.endswith("/exists"):
        told = {"result": {"exists": False}, "status": "ok", "time": 0.0}
        _answer(writer, json.dumps(told).encode())
    else:
        told = {"status": {"error": "Not found: there is no collection"}, "time": 0.0}
        _answer(writer, json.dumps(told).encode(), status=404)


class Provider:
    """Speaks OpenAI's chat completions. It repeats what it was asked, so that an answer shows whose it is."""

    def __init__(self) -> None:
        self.mode: Mode = "well"
        self.harm: Harm | None = None
        """Where to note that a call was not answered well."""
        self.calls: Counter[str] = Counter()
        """How often it was asked about each marker."""
        self.completed: Counter[str] = Counter()
        """How often it answered each marker to the end."""

    async def respond(self, _path: str, body: bytes, writer: asyncio.StreamWriter) -> None:
        asked = json.loads(body)
        markers = MARKER.findall(asked["messages"][-1]["content"])
        marker = markers[-1] if markers else ""
        self.calls[marker] += 1
        if self.mode != "well" and self.harm is not None:
            self.harm.lost()
        match self.mode:
            case "hang":
                await asyncio.sleep(HANG_SECONDS)
            case "429":
                error = {"error": {"message": "too much", "type": "error", "code": None}}
                extra = "retry-after: 1\r\n"
                _answer(writer, json.dumps(error).encode(), status=429, extra=extra)
            case "garbage":
                _answer(writer, b'data: {"choi\x00\n\ndata: [DONE]\n\n', kind="text/event-stream")
            case "well":
                _answer(writer, _stream(reply_to(marker)), kind="text/event-stream")
                self.completed[marker] += 1


def reply_to(marker: str) -> str:
    """What the provider says about a message with this marker."""
    return f"You said {marker}."


def _stream(text: str) -> bytes:
    whole = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "prove"}
    half = len(text) // 2
    choices = [
        {"index": 0, "delta": {"role": "assistant", "content": text[:half]}, "finish_reason": None},
        {"index": 0, "delta": {"content": text[half:]}, "finish_reason": None},
        {"index": 0, "delta": {}, "finish_reason": "stop"},
    ]
    usage = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
    chunks = [{**whole, "choices": [choice]} for choice in choices]
    chunks.append({**whole, "choices": [], "usage": usage})
    lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks]
    return ("".join(lines) + "data: [DONE]\n\n").encode()
