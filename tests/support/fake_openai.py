"""A local server that speaks OpenAI's wire format, well or badly: chat completions and responses over SSE.

    async with FakeOpenAI() as server:
        server.plan(Answer("Hello ", "there."), Status(429, retry_after_seconds=2))

Each request plays the next behaviour of the plan; the last one again and again.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Self

MODEL = "fake-1-2026"


@dataclass(frozen=True)
class Answer:
    """Says these pieces and ends well, unless told otherwise."""

    pieces: tuple[str, ...] = ("Hello ", "there.")
    finish_reason: str = "stop"
    with_usage: bool = True
    refusal: str | None = None
    cut_after: int | None = None
    """Break the connection after so many pieces."""
    close_after: int | None = None
    """End the stream in good order, but without the end of the answer, after so many pieces."""
    hang_after: int | None = None
    """Fall silent after so many pieces."""
    error_after: int | None = None
    """Report `error_code` inside the stream after so many pieces."""
    error_code: str = "server_error"
    hang_at_the_end: bool = False
    """Fall silent after the answer is complete, before the stream is."""
    pings: bool = False
    """Send comments while silent, as proxies do."""


def says(*pieces: str, **how: Any) -> Answer:
    return Answer(pieces, **how)


@dataclass(frozen=True)
class Status:
    """Answers with this status and an error object."""

    status: int
    code: str | None = None
    retry_after_seconds: float | None = None
    message: str = "something the provider says about: my secret prompt"


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
class FakeOpenAI:
    """Listens on a free port of the loopback; `url` is what goes into `base_url`."""

    behaviours: list[Behaviour] = field(default_factory=lambda: [Answer()])
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0

    def plan(self, *behaviours: Behaviour) -> None:
        self.behaviours = list(behaviours)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

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

    match behaviour:
        case Silence():
            await asyncio.sleep(3600)
        case Status(status, code, retry_after, message):
            extra = f"retry-after: {retry_after}\r\n" if retry_after is not None else ""
            await head(status, "application/json", extra)
            error = {"message": message, "type": "error", "param": None, "code": code}
            await chunk(json.dumps({"error": error}).encode())
        case Raw(body, content_type):
            await head(200, content_type)
            await chunk(body)
        case Endless(piece):
            await head(200, "text/event-stream")
            async for event in _endless(path, piece):
                await chunk(event)
        case Answer():
            await head(200, "text/event-stream")
            wire = _chat if path.endswith("/chat/completions") else _responses
            await _answer(behaviour, wire, chunk, writer)
    writer.write(b"0\r\n\r\n")
    await writer.drain()


async def _answer(
    answer: Answer,
    wire: Callable[[Answer], tuple[list[bytes], list[bytes], bytes]],
    chunk: Write,
    writer: asyncio.StreamWriter,
) -> None:
    pieces, end, error = wire(answer)
    for count in range(len(pieces) + 1):
        if answer.cut_after == count:
            writer.transport.abort()
            raise ConnectionError
        if answer.close_after == count:
            return
        if answer.error_after == count:
            await chunk(error)
            return
        if answer.hang_after == count:
            await _hang(answer, chunk)
        if count < len(pieces):
            await chunk(pieces[count])
    for event in end[:-1]:
        await chunk(event)
    if answer.hang_at_the_end:
        await _hang(answer, chunk)
    await chunk(end[-1])


async def _hang(answer: Answer, chunk: Write) -> None:
    while answer.pings:
        await chunk(b": ping\n\n")
        await asyncio.sleep(0.05)
    await asyncio.sleep(3600)


def _chat(answer: Answer) -> tuple[list[bytes], list[bytes], bytes]:
    def data(delta: dict[str, Any], reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return _sse(_chat_chunk(choices=[choice]))

    pieces = [data({"role": "assistant", "content": piece}) for piece in answer.pieces]
    if answer.refusal is not None:
        pieces.append(data({"refusal": answer.refusal}))
    usage = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18,
             "prompt_tokens_details": {"cached_tokens": 3}, "a_field_of_its_own": "kept"}  # fmt: skip
    end = [data({}, answer.finish_reason)]
    if answer.with_usage:
        end.append(_sse(_chat_chunk(choices=[], usage=usage)))
    error = {"error": {"message": "my secret prompt", "code": answer.error_code}}
    return pieces, [*end, b"data: [DONE]\n\n"], _sse(error)


def _chat_chunk(**fields: Any) -> dict[str, Any]:
    return {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": MODEL, **fields}


def _responses(answer: Answer) -> tuple[list[bytes], list[bytes], bytes]:
    def event(kind: str, **fields: Any) -> bytes:
        return _sse({"type": kind, "sequence_number": 0, **fields}, kind)

    place = {"item_id": "m1", "output_index": 0, "content_index": 0}
    pieces = [
        event("response.output_text.delta", delta=piece, logprobs=[], **place)
        for piece in answer.pieces
    ]
    if answer.refusal is not None:
        pieces.append(event("response.refusal.delta", delta=answer.refusal, **place))
    usage = {"input_tokens": 11, "output_tokens": 7, "total_tokens": 18,
             "input_tokens_details": {"cached_tokens": 3}, "a_field_of_its_own": "kept"}  # fmt: skip
    whole = {"id": "r1", "object": "response", "model": MODEL, "output": [], "created_at": 1,
             "usage": usage if answer.with_usage else None, "error": None}  # fmt: skip
    if answer.finish_reason == "stop":
        end = event("response.completed", response={**whole, "incomplete_details": None})
    else:
        reason = {"length": "max_output_tokens"}.get(answer.finish_reason, answer.finish_reason)
        end = event(
            "response.incomplete", response={**whole, "incomplete_details": {"reason": reason}}
        )
    failed = {**whole, "incomplete_details": None, "usage": None,
              "error": {"code": answer.error_code, "message": "my secret prompt"}}  # fmt: skip
    return pieces, [end, b": bye\n\n"], event("response.failed", response=failed)


async def _endless(path: str, piece: str) -> AsyncIterator[bytes]:
    wire = _chat if path.endswith("/chat/completions") else _responses
    [event], _, _ = wire(Answer((piece,)))
    while True:
        yield event


def _sse(data: dict[str, Any], event: str | None = None) -> bytes:
    named = f"event: {event}\n" if event else ""
    return f"{named}data: {json.dumps(data)}\n\n".encode()
