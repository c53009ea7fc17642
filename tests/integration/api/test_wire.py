"""Bad input as bytes on a socket: a clear 4xx each, and the service goes on."""

import asyncio
import gc
import json
import os
import time
from contextlib import suppress
from typing import Any

import pytest

from aigestion.api.body import BODY_BYTES_MAX
from aigestion.api.v1.new_document import BODY_BYTES_MAX as DOCUMENT_BODY_BYTES_MAX
from tests.integration.api.conftest import Wire, read_answer
from tests.support.tasks import patience

REFUSED_SECONDS_MAX = 2.0
"""Generous: the machine is shared."""
CONVERSATIONS = "/v1/conversations"


async def still_serves(wire: Wire) -> None:
    assert (await wire.ask("POST", CONVERSATIONS, b"{}")).status == 201


@pytest.mark.parametrize(
    ("path", "limit"),
    [(CONVERSATIONS, BODY_BYTES_MAX), ("/v1/documents", DOCUMENT_BODY_BYTES_MAX)],
)
async def test_ten_megabytes_are_refused_with_the_limit_named(
    wire: Wire, path: str, limit: int
) -> None:
    body = b'{"title":"' + b"x" * 10_000_000 + b'"}'

    answer = await wire.ask("POST", path, body)

    assert (answer.status, answer.json()["code"]) == (413, "too-large")
    assert answer.json()["limit_bytes"] == limit
    await still_serves(wire)


async def test_a_body_that_is_announced_too_large_is_refused_before_it_comes(wire: Wire) -> None:
    reader, writer = await wire.connect()
    writer.write(wire.request("POST", CONVERSATIONS, Content_Length="10000000"))

    answer = await read_answer(reader)
    writer.close()

    assert (answer.status, answer.json()["limit_bytes"]) == (413, BODY_BYTES_MAX)


async def test_ten_megabytes_without_a_length_are_refused_too(wire: Wire) -> None:
    reader, writer = await wire.connect()
    head = wire.request("POST", CONVERSATIONS, Transfer_Encoding="chunked")
    writer.write(head.replace(b"Content-Length: 0\r\n", b""))
    chunk = b"%x\r\n" % 100_000 + b"x" * 100_000 + b"\r\n"

    async def send() -> None:
        for _ in range(100):
            writer.write(chunk)
            await writer.drain()
        writer.write(b"0\r\n\r\n")

    sending = asyncio.create_task(send())
    answer = await read_answer(reader)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    writer.close()

    assert (answer.status, answer.json()["limit_bytes"]) == (413, BODY_BYTES_MAX)
    await still_serves(wire)


async def test_a_body_in_many_small_pieces_is_put_together(wire: Wire) -> None:
    reader, writer = await wire.connect()
    for byte in wire.request("POST", CONVERSATIONS, b'{"title":"In pieces"}'):
        writer.write(bytes([byte]))
        await asyncio.sleep(0)
    answer = await read_answer(reader)
    writer.close()

    assert answer.status == 201


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"[" * 10_000, id="deep array"),
        pytest.param(b'{"a":' * 10_000, id="deep object"),
        pytest.param(b'{"title":' + b"[" * 10_000 + b"]" * 10_000 + b"}", id="deep and whole"),
        pytest.param(json.dumps({f"f{n}": n for n in range(50_000)}).encode(), id="many fields"),
        pytest.param(b'{"title":' + b"9" * 500_000 + b"}", id="long number"),
        pytest.param(b'{"title":"\\ud800"}', id="surrogate"),
        pytest.param(b'{"title":"\\u0000"}', id="nul"),
        pytest.param(b'{"title":"\x00"}', id="raw nul"),
        pytest.param(b'{"title":"\xff"}', id="not utf-8"),
        pytest.param(b'{"title":NaN}', id="nan"),
        pytest.param(b"\xef\xbb\xbf{}", id="byte order mark"),
        pytest.param(b"{", id="half"),
        pytest.param(b"", id="nothing"),
    ],
)
async def test_a_bad_body_is_refused_quickly(wire: Wire, body: bytes) -> None:
    began = time.process_time()

    answer = await wire.ask("POST", CONVERSATIONS, body)

    assert time.process_time() - began < REFUSED_SECONDS_MAX
    assert (answer.status, answer.json()["code"]) == (400, "invalid-input")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"]
    await still_serves(wire)


async def test_a_flood_of_bad_bodies_keeps_no_memory(wire: Wire) -> None:
    for _ in range(3):
        await wire.ask("POST", CONVERSATIONS, b'{"title":"' + b"x" * 10_000_000)
    gc.collect()
    before = _resident_bytes()

    for _ in range(20):
        answer = await wire.ask("POST", CONVERSATIONS, b'{"title":"' + b"x" * 10_000_000)
        assert answer.status == 413

    gc.collect()  # what waits for the collector is not kept
    assert _resident_bytes() - before < 50_000_000


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/search?q=%00", 400),
        ("/v1/search?q=%ff%fe", 400),
        ("/v1/search?q=" + "%41" * 2000, 400),
        ("/v1/events?" + "type=user.chat&" * 500, 200),
        ("/v1/conversations?limit=1000000000", 400),
        ("/v1/conversations/%00", 404),
        ("/v1/conversations/%ff", 404),
        ("/v1/conversations/../../etc/passwd", 404),
        ("/schema/ui/%2e%2e%2f%2e%2e%2fetc%2fpasswd", 404),
        ("//", 404),
        ("/" + "x" * 5000, 404),
    ],
)
async def test_a_bad_path_is_refused(wire: Wire, path: str, status: int) -> None:
    answer = await wire.ask("GET", path)

    assert answer.status == status
    await still_serves(wire)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": "Bearer " + "x" * 10_000}, 401),
        ({"Authorization": "Bearer \xe9"}, 401),
        ({"Idempotency_Key": "x" * 256}, 400),
        ({"Idempotency_Key": "\xe9"}, 400),
        ({"Aigestion_User": "two words"}, 400),
        ({"Content_Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content_Type": "\xff"}, 415),
        ({"Host": "a b"}, 400),
    ],
)
async def test_a_bad_header_is_refused(wire: Wire, headers: dict[str, str], status: int) -> None:
    answer = await wire.ask("POST", CONVERSATIONS, b"{}", **headers)

    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"
    await still_serves(wire)


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /health/live HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"GET /health/live HTTP/1.1\r\n" + b"X: " + b"y" * 600_000 + b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
async def test_what_is_not_http_is_dropped(wire: Wire, request_bytes: bytes) -> None:
    reader, writer = await wire.connect()
    answer = b""
    with suppress(OSError):  # it may hang up before everything is said
        writer.write(request_bytes)
        writer.write_eof()
        async with patience():
            answer = await reader.read()
    writer.close()

    assert answer == b"" or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4"))
    await still_serves(wire)


async def test_a_caller_that_leaves_in_the_middle_of_a_body_harms_nobody(
    wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    _, writer = await wire.connect()
    writer.write(wire.request("POST", CONVERSATIONS, b"{}", Content_Length="1000"))
    await writer.drain()
    await asyncio.sleep(0.05)
    writer.close()
    await asyncio.sleep(0.1)

    await still_serves(wire)
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_a_body_that_does_not_come_is_not_waited_for(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aigestion.api.in_time.BODY_SECONDS_MAX", 0.1)
    reader, writer = await wire.connect()
    writer.write(wire.request("POST", CONVERSATIONS, b"{", Content_Length="1000"))

    answer = await read_answer(reader)
    writer.close()

    assert (answer.status, answer.json()["code"]) == (408, "too-slow")
    await still_serves(wire)


async def test_a_connection_is_kept_and_answers_stay_in_step(wire: Wire, conversation: str) -> None:
    reader, writer = await wire.connect()
    path = f"{CONVERSATIONS}/{conversation}/interactions"
    answers: list[Any] = []
    for number in range(50):
        body = json.dumps({"type": "user.chat", "payload": {"text": str(number)}}).encode()
        writer.write(wire.request("POST", path, body))
        answers.append((await read_answer(reader)).json()["position"])
        writer.write(wire.request("POST", path, b"nonsense"))
        assert (await read_answer(reader)).status == 400
    writer.close()

    assert answers == list(range(2, 52))


async def test_parallel_requests_with_one_key_are_one_event(wire: Wire, conversation: str) -> None:
    path = f"{CONVERSATIONS}/{conversation}/interactions"
    body = b'{"type":"user.chat","payload":{"text":"Once"}}'

    answers = await asyncio.gather(
        *(wire.ask("POST", path, body, Idempotency_Key="once") for _ in range(100))
    )

    assert {answer.status for answer in answers} == {202}
    assert len({answer.content for answer in answers}) == 1
    assert await wire.world.types() == ["conversation.started", "user.chat"]


def _resident_bytes() -> int:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
