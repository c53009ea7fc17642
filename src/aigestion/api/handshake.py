"""Before a socket is open: which pages may ask for one, and how it is refused."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from litestar import WebSocket
from litestar.types import Message, Scope, Send

from aigestion.api.errors import ErrorAnswer, answer_by_status, answer_messages, answer_to
from aigestion.kernel.errors import Forbidden

REFUSED_FROM = 4_000
"""A close code that stands for a status, where it cannot be said otherwise: 4404 for 404."""


def check_origin(socket: WebSocket[Any, Any, Any], allowed: Sequence[str]) -> None:
    """Raises `Forbidden` for the script of a page from elsewhere that no setting names.

    Browsers let any page open a socket, so that it is for the server to look; programs send no `Origin`.
    """
    origin = socket.headers.get("origin")
    if origin is None or origin in allowed or "*" in allowed:
        return
    if urlsplit(origin).netloc != socket.headers.get("host"):
        raise Forbidden("Pages of this origin may not open a socket here.")


async def refuse(socket: WebSocket[Any, Any, Any], error: Exception) -> None:
    """Answer with what a request would be answered with."""
    for message in denial(socket.scope, answer_to(socket, error)):
        await socket.send(message)


def denial(scope: Scope, told: ErrorAnswer) -> list[Message]:
    """The messages that refuse a socket."""
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        code = REFUSED_FROM + told.status
        return [{"type": "websocket.close", "code": code, "reason": told.members["code"]}]
    return answer_messages(told, "websocket.http.response")


def answered_early(send: Send, scope: Scope) -> Send:
    """What the framework closes before it is open, because there is no such path, becomes an answer too."""
    settled = False

    async def answering(message: Message) -> None:
        nonlocal settled
        if message["type"] != "websocket.close" or settled:
            settled = True
            await send(message)
            return
        settled = True
        unknown = "path_template" not in scope  # for the framework that is a fault of ours
        status = HTTPStatus.NOT_FOUND if unknown else _status(message["code"])
        for part in denial(scope, answer_by_status(scope["path"], status)):
            await send(part)

    return answering


def _status(close_code: int) -> HTTPStatus:
    try:
        return HTTPStatus(close_code - REFUSED_FROM)
    except ValueError:
        return HTTPStatus.INTERNAL_SERVER_ERROR
