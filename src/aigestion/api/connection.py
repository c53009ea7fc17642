"""A caller's connection, with the limits that the server's own lacks: how long it is quiet, how large a head."""

import asyncio
from http import HTTPStatus
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from aigestion.api.errors import answer_by_status

CONNECTIONS_MAX = 2_048
"""Well above the streams that may be open, so that requests still get through."""
HEAD_BYTES_MAX = 64 * 1024
"""What of a head may come without its end. (One that comes in one piece is read in one piece: 256 KiB at most.)"""
HEAD_SECONDS_MAX = 30.0
"""How long may take: a head, the rest of a body that is answered already, and to say anything at all."""
IDLE_SECONDS_MAX = 75
"""How long a connection is kept for another request: longer than proxies keep theirs to us."""
GATHERED_BYTES_MAX = 32 * 1024


class Connection(HttpToolsProtocol):
    """HTTP/1.1, until it becomes a socket's."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_bytes = 0
        self._in_head = False
        self._late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(cast(asyncio.Transport, _Gathering(transport, self.loop)))
        if len(self.connections) > CONNECTIONS_MAX:
            transport.abort()
        else:
            self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_is_there()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Reads on; a head that came in one piece, as nearly all do, sets no timer."""
        super().data_received(data)
        if not self._in_head:
            return
        self._head_bytes += len(data)
        if self._head_bytes > HEAD_BYTES_MAX:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        elif self._late is None:
            self._expect_head()

    def on_message_begin(self) -> None:
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._head_is_there()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._head_is_there()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.more_body and self._late is None:  # nobody reads what still comes of it
            self._expect_head()

    def send_400_response(self, msg: str) -> None:
        """The server's word for what is not HTTP."""
        self._refuse(HTTPStatus.BAD_REQUEST)

    def _expect_head(self) -> None:
        self._late = self.loop.call_later(HEAD_SECONDS_MAX, self._too_late)

    def _head_is_there(self) -> None:
        self._in_head, self._head_bytes = False, 0
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _too_late(self) -> None:
        if self._in_head:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        else:
            self.transport.close()

    def _refuse(self, status: HTTPStatus) -> None:
        """Say why, unless another answer is on its way, and hang up."""
        self._head_is_there()
        if not self.transport.is_closing() and (self.cycle is None or self.cycle.response_complete):
            answer = answer_by_status(None, status)
            headers = [*answer.all_headers, (b"connection", b"close")]
            lines = [STATUS_LINE[status], *(b"%b: %b\r\n" % pair for pair in headers), b"\r\n"]
            self.transport.write(b"".join(lines) + answer.body)
        self.transport.close()


class _Gathering:
    """A transport that sends what is written in one turn of the loop at once: an answer's head goes with its body.

    Two sendings a request cost 7 % of its CPU time where many ask, and wake each caller twice.
    """

    __slots__ = ("_bytes", "_held", "_loop", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held: list[bytes] = []
        self._bytes = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._held:
            self._loop.call_soon(self._send)
        self._held.append(data)
        self._bytes += len(data)
        if self._bytes > GATHERED_BYTES_MAX:  # who writes without end must be told to wait
            self._send()

    def close(self) -> None:
        self._send()
        self._transport.close()

    def _send(self) -> None:
        if self._held:
            held, self._held, self._bytes = self._held, [], 0
            if not self._transport.is_closing():  # whoever was to have it may have left meanwhile
                self._transport.write(b"".join(held))
