"""One connection of a caller, with the limits that the server's own has not: how long it is quiet, how large a head is."""

import asyncio
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from aigestion.api.errors import PROBLEM_JSON, answer_by_status

CONNECTIONS_MAX = 2_048
"""Well above the streams that may be open, so that requests still get through."""
HEAD_BYTES_MAX = 64 * 1024
"""What of a head may come without its end. (One that comes in one piece is read in one piece: 256 KiB at most.)"""
HEAD_SECONDS_MAX = 30.0
"""How long a head may take; and how long who connects may say nothing."""
IDLE_SECONDS_MAX = 75
"""How long a connection is kept for another request: longer than proxies keep theirs to us."""


class Connection(HttpToolsProtocol):
    """HTTP/1.1, until it becomes a socket's."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_bytes = 0
        self._in_head = False
        self._late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
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
            body = answer_by_status(None, status).body
            head = b"content-type: %b\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
            head %= PROBLEM_JSON.encode(), len(body)
            self.transport.write(STATUS_LINE[status] + head + body)
        self.transport.close()
