"""Connections that say too little, too much or nothing, and more of them than there may be."""

import asyncio
import random
import socket
import struct
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from aigestion.api import connection
from tests.integration.api.conftest import Answer, Wire, read_answer
from tests.support.tasks import patience

HEAD_SECONDS = 0.3
LEAVING = 1_000
ANSWERED_SECONDS = 0.0015
"""About as long as an answer takes."""
LIVE = b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEAD_SECONDS_MAX", HEAD_SECONDS)


async def _answer_and_end(reader: asyncio.StreamReader) -> Answer:
    """The last answer on a connection, and that it is the last."""
    answer = await read_answer(reader)
    with suppress(ConnectionResetError):  # what it had not read yet when it hung up
        async with patience():
            assert await reader.read() == b""
    assert answer.headers["connection"] == "close"
    assert answer.headers["content-type"] == "application/problem+json"
    return answer


async def test_who_says_nothing_is_hung_up_on(hurried: None, wire: Wire) -> None:
    reader, writer = await wire.connect()
    began = time.perf_counter()

    async with patience():
        assert await reader.read() == b""

    assert time.perf_counter() - began >= HEAD_SECONDS / 2
    writer.close()


@pytest.mark.parametrize("before", [b"", LIVE], ids=["the first", "another"])
async def test_a_head_in_drops_is_not_waited_for(hurried: None, wire: Wire, before: bytes) -> None:
    reader, writer = await wire.connect()
    if before:
        writer.write(before)
        assert (await read_answer(reader)).status == 200
    dropped = 0

    async def drop() -> None:
        nonlocal dropped
        for byte in LIVE * 100:
            writer.write(bytes([byte]))
            dropped += 1
            await asyncio.sleep(HEAD_SECONDS / 10)

    dropping = asyncio.create_task(drop())
    answer = await _answer_and_end(reader)
    dropping.cancel()
    writer.close()

    assert (answer.status, answer.json()["code"]) == (408, "too-slow")
    assert "instance" not in answer.json()
    assert dropped < len(LIVE)


async def test_a_body_may_take_longer_than_a_head(
    hurried: None, wire: Wire, conversation: str
) -> None:
    body = b'{"type":"user.chat","payload":{"text":"slowly"}}'
    path = f"/v1/conversations/{conversation}/interactions"
    reader, writer = await wire.connect()
    writer.write(wire.request("POST", path, body)[: -len(body)])
    await asyncio.sleep(2 * HEAD_SECONDS)
    writer.write(body)

    assert (await read_answer(reader)).status == 202
    writer.close()


async def test_the_rest_of_a_body_that_is_answered_is_not_waited_for(
    hurried: None, wire: Wire
) -> None:
    reader, writer = await wire.connect()
    head = wire.request("POST", "/v1/documents", Transfer_Encoding="chunked", Authorization="none")
    writer.write(head.replace(b"Content-Length: 0\r\n", b""))
    assert (await read_answer(reader)).status == 401

    async def go_on() -> None:
        while True:
            writer.write(b"1\r\nx\r\n")
            await asyncio.sleep(HEAD_SECONDS / 10)

    going_on = asyncio.create_task(go_on())
    with suppress(ConnectionResetError):
        async with patience():
            assert await reader.read() == b""
    going_on.cancel()
    writer.close()


async def test_who_sends_the_rest_of_a_body_in_time_may_ask_again(
    hurried: None, wire: Wire
) -> None:
    reader, writer = await wire.connect()
    writer.write(wire.request("POST", "/v1/documents", b"{}", Authorization="none")[:-1])
    assert (await read_answer(reader)).status == 401
    writer.write(b"}")
    await asyncio.sleep(2 * HEAD_SECONDS)
    writer.write(LIVE)

    assert (await read_answer(reader)).status == 200
    writer.close()


async def test_a_head_without_end_is_too_large(wire: Wire) -> None:
    reader, writer = await wire.connect()
    writer.write(LIVE[:-2] + b"X: ")
    for _ in range(connection.HEAD_BYTES_MAX // 1024 + 1):
        writer.write(b"x" * 1024)
        await asyncio.sleep(0)

    answer = await _answer_and_end(reader)
    writer.close()

    assert (answer.status, answer.json()["code"]) == (431, "head-too-large")


async def test_what_is_not_http_is_told_so_as_a_problem(wire: Wire) -> None:
    reader, writer = await wire.connect()
    writer.write(LIVE)
    assert (await read_answer(reader)).status == 200
    writer.write(b"nonsense\r\n\r\n")

    answer = await _answer_and_end(reader)
    writer.close()

    assert (answer.status, answer.json()["code"]) == (400, "malformed-request")


async def test_nonsense_behind_a_request_does_not_disturb_its_answer(
    wire: Wire, conversation: str
) -> None:
    reader, writer = await wire.connect()
    writer.write(wire.request("GET", f"/v1/conversations/{conversation}/stream"))
    async with patience():
        await reader.readuntil(b"conversation.started")
        writer.write(b"nonsense\r\n\r\n")
        rest = await reader.read()
    writer.close()

    assert b"HTTP/1.1" not in rest


async def test_requests_sent_at_once_are_answered_in_their_order(
    wire: Wire, conversation: str
) -> None:
    reader, writer = await wire.connect()
    path = f"/v1/conversations/{conversation}/interactions"
    bodies = [b'{"type":"user.chat","payload":{"text":"%d"}}' % number for number in range(20)]
    writer.write(b"".join(wire.request("POST", path, body) for body in bodies))

    positions = [(await read_answer(reader)).json()["position"] for _ in bodies]
    writer.close()

    assert positions == sorted(positions)


async def test_there_is_an_end_to_how_many_connections_there_may_be(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "CONNECTIONS_MAX", 3)
    kept = [await wire.connect() for _ in range(3)]
    for reader, writer in kept:
        writer.write(LIVE)
        assert (await read_answer(reader)).status == 200

    late, late_writer = await wire.connect()
    late_writer.write(LIVE)
    async with patience():
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await late.readexactly(1)
    late_writer.close()

    for reader, writer in kept:
        writer.write(LIVE)
        assert (await read_answer(reader)).status == 200
        writer.close()
    async with patience():
        while not await _serves(wire):
            await asyncio.sleep(0.01)


async def _serves(wire: Wire) -> bool:
    try:
        return (await wire.ask("GET", "/health/live")).status == 200
    except (OSError, asyncio.IncompleteReadError):
        return False


def test_who_leaves_in_the_middle_of_an_answer_disturbs_nobody(tmp_path: Path) -> None:
    """Reset at any moment, on the event loop that serves: nothing fails, and nothing is told of it."""
    errors = tmp_path / "errors"
    program = [sys.executable, "-m", "tests.support.stream_server", "1"]
    moments = random.Random(1)
    with (
        errors.open("wb") as told,
        subprocess.Popen(program, stdout=subprocess.PIPE, stderr=told) as server,
    ):
        assert server.stdout is not None
        port, key, _ = server.stdout.readline().decode().split()
        head = f"GET /v1/events?limit=1 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\n\r\n"
        for _ in range(LEAVING):
            with socket.create_connection(("127.0.0.1", int(port))) as leaving:
                leaving.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                leaving.sendall(head.encode() * moments.randrange(1, 4))
                until = time.perf_counter() + moments.random() * ANSWERED_SECONDS
                while time.perf_counter() < until:
                    pass
        with socket.create_connection(("127.0.0.1", int(port))) as staying:
            staying.sendall(LIVE)
            assert staying.recv(100).startswith(b"HTTP/1.1 200")
        server.terminate()

    assert errors.read_text() == ""
