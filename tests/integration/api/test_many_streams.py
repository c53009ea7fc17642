"""As many streams as a process may have: it still answers, tells whom it concerns, and says no in time."""

import asyncio
import json
import resource
import sys
import time
from collections.abc import AsyncIterator
from contextlib import suppress

import psutil
import pytest

from aigestion.api.delivery import STREAMS_MAX
from aigestion.api.following import EVENTS_READ_MAX
from tests.integration.api.conftest import Answer, read_answer
from tests.support.tasks import patience

IDLE = 1_000
CONVERSATIONS = 100
OPENED_AT_ONCE = 50
DESCRIPTORS = 2 * STREAMS_MAX
STREAM_BYTES_MAX = 60_000
"""What one idle stream may cost the server."""
AGAIN_BYTES_MAX = 10_000
"""And what it may cost if as many were open before."""
ANSWER_SECONDS_MAX = 10.0
STUCK = 50
BACKLOG = 400
TEXT_BYTES = 20_000

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Server:
    """A process that serves, and whom we ask."""

    def __init__(self, process: psutil.Process, port: int, key: str, ids: list[str]) -> None:
        self.process = process
        self.port = port
        self.key = key
        self.ids = ids

    @property
    def bytes_used(self) -> int:
        return int(self.process.memory_info().rss)

    async def sent(self, method: str, path: str, body: bytes = b"") -> Connection:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {self.key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        return reader, writer

    async def ask(self, method: str, path: str, body: bytes = b"") -> tuple[Answer, float]:
        """The answer, and the seconds it took."""
        began = time.perf_counter()
        reader, writer = await self.sent(method, path, body)
        answer = await read_answer(reader)
        writer.close()
        return answer, time.perf_counter() - began

    def path(self, number: int) -> str:
        return f"/v1/conversations/{self.ids[number % CONVERSATIONS]}"

    async def follow(self, number: int) -> Connection:
        """A stream that has got all there is."""
        async with patience():
            reader, writer = await self.sent("GET", f"{self.path(number)}/stream")
            await reader.readuntil(b"conversation.started")
            await reader.readuntil(b"\n\n\r\n")
            return reader, writer

    async def follow_many(self, count: int) -> list[Connection]:
        streams: list[Connection] = []
        for first in range(0, count, OPENED_AT_ONCE):
            some = range(first, min(count, first + OPENED_AT_ONCE))
            streams += await asyncio.gather(*map(self.follow, some))
        return streams

    async def leave(self, streams: list[Connection]) -> None:
        """Close them, and wait until the server knows."""
        for _, writer in streams:
            writer.close()
        async with patience():
            while await self.count():
                await asyncio.sleep(0.05)

    async def count(self) -> int:
        answer, _ = await self.ask("GET", "/metrics")
        (line,) = [
            one
            for one in answer.content.decode().splitlines()
            if one.startswith("aigestion_http_streams ")
        ]
        return int(float(line.split()[1]))


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < DESCRIPTORS:
        pytest.skip(f"Only {hard} files may be open here; {DESCRIPTORS} are needed (ulimit -Hn).")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, DESCRIPTORS), hard))
    program = (sys.executable, "-m", "tests.support.stream_server", str(CONVERSATIONS))
    process = await asyncio.create_subprocess_exec(*program, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        port, key, *ids = (await process.stdout.readline()).decode().split()
        yield Server(psutil.Process(process.pid), int(port), key, ids)
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_a_thousand_idle_streams_keep_nobody_from_being_served(server: Server) -> None:
    await server.leave(await server.follow_many(OPENED_AT_ONCE))
    before = server.bytes_used
    streams = await server.follow_many(IDLE)

    each = (server.bytes_used - before) / IDLE
    assert await server.count() == IDLE
    assert each < STREAM_BYTES_MAX

    chat = json.dumps({"type": "user.chat", "payload": {"text": "Hello"}}).encode()
    said, took = await server.ask("POST", f"{server.path(7)}/interactions", chat)
    assert (said.status, took < ANSWER_SECONDS_MAX) == (202, True)
    async with patience():
        for reader, _ in streams[7::CONVERSATIONS]:
            await reader.readuntil(b"user.chat")
    other, _ = streams[8]
    assert not other._buffer  # type: ignore[attr-defined]
    listed, took = await server.ask("GET", "/v1/events?limit=1")
    assert (listed.status, took < ANSWER_SECONDS_MAX) == (200, True)

    await server.leave(streams)
    between = server.bytes_used
    streams = await server.follow_many(IDLE)
    assert (server.bytes_used - max(between, before + each * IDLE)) / IDLE < AGAIN_BYTES_MAX
    await server.leave(streams)


async def test_one_stream_too_many_is_told_when_to_come_again(server: Server) -> None:
    streams = await server.follow_many(STREAMS_MAX)

    refused, took = await server.ask("GET", f"{server.path(0)}/stream")
    assert (refused.status, refused.json()["code"]) == (503, "overloaded")
    assert refused.json()["streams_max"] == STREAMS_MAX
    assert (refused.headers["retry-after"], took < ANSWER_SECONDS_MAX) == ("1", True)
    answer, took = await server.ask("GET", "/v1/events?limit=1")
    assert (answer.status, took < ANSWER_SECONDS_MAX) == (200, True)

    streams.pop()[1].close()
    async with patience():
        while await server.count() == STREAMS_MAX:
            await asyncio.sleep(0.05)
    streams.append(await server.follow(0))
    await server.leave(streams)


async def test_who_does_not_read_does_not_fill_the_memory(server: Server) -> None:
    chat = {"type": "user.chat", "payload": {"text": "x" * TEXT_BYTES}}
    body = json.dumps(chat).encode()
    for _ in range(BACKLOG):
        await server.ask("POST", f"{server.path(0)}/interactions", body)
    before = server.bytes_used
    streams = await asyncio.gather(
        *(server.sent("GET", f"{server.path(0)}/stream") for _ in range(STUCK))
    )
    for reader, writer in streams:
        await reader.readuntil(b"conversation.started")
        writer.transport.pause_reading()  # type: ignore[attr-defined]
    await asyncio.sleep(2)

    assert await server.count() == STUCK
    each = (server.bytes_used - before) / STUCK
    assert each < EVENTS_READ_MAX * TEXT_BYTES * 2 < BACKLOG * TEXT_BYTES / 2
    await server.leave(list(streams))
