"""A small HTTP client that costs little: one request after another on each of its connections."""

import asyncio
import time
from collections.abc import Sequence
from typing import cast

import msgspec


class Measured(msgspec.Struct, frozen=True):
    """What a run at some number of connections gave."""

    requests: int
    seconds: float
    latencies: list[float]
    """In seconds, sorted."""

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds

    def percentile(self, share: float) -> float:
        """In milliseconds."""
        return self.latencies[min(self.requests - 1, int(self.requests * share))] * 1e3


class _Connection(asyncio.Protocol):
    """Sends a request, waits for the answer, sends the next, until its time is over."""

    def __init__(self, request: bytes, until: float, latencies: list[float]) -> None:
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._request = request
        self._until = until
        self._latencies = latencies
        self._received = b""
        self._length = 0
        self._sent = 0.0
        self._transport: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        received = self._received + data if self._received else data
        if len(received) != self._length and not _complete(received):
            self._received = received
            return
        now = time.perf_counter()
        self._latencies.append(now - self._sent)
        self._received, self._length = b"", len(received)  # most answers are as long as the last
        if not received.startswith(b"HTTP/1.1 202"):
            self.closed.set_exception(RuntimeError(received.decode()))
            self._transport.close()
        elif now < self._until:
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)

    def _send(self) -> None:
        self._sent = time.perf_counter()
        self._transport.write(self._request)


async def measure(
    port: int, requests: Sequence[bytes], connections: int, seconds: float
) -> Measured:
    """Each connection repeats one of the requests, in turn, for so many seconds."""
    loop = asyncio.get_running_loop()
    latencies: list[float] = []
    began = time.perf_counter()
    opened: list[_Connection] = []
    for number in range(connections):
        request = requests[number % len(requests)]
        connection = _Connection(request, began + seconds, latencies)
        await loop.create_connection(lambda one=connection: one, "127.0.0.1", port)  # type: ignore[misc]
        opened.append(connection)
    await asyncio.gather(*(connection.closed for connection in opened))
    return Measured(len(latencies), time.perf_counter() - began, sorted(latencies))


def post(path: str, key: str, body: bytes) -> bytes:
    """A request as bytes."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def _complete(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n") if end else ():
        if line.startswith(b"content-length:"):
            return len(body) == int(line.partition(b":")[2])
    return False
