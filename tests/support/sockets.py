"""A client of a conversation's socket."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.support.tasks import patience


class SocketClient:
    """Sends and hears JSON."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def send(self, **message: Any) -> None:
        await self.connection.send(json.dumps(message))

    async def hear(self) -> dict[str, Any]:
        """The next frame; heartbeats are skipped."""
        while True:
            async with patience():
                heard: dict[str, Any] = json.loads(await self.connection.recv())
            if heard["event"] != "heartbeat":
                return heard

    async def until(self, *events: str) -> dict[str, Any]:
        """The next frame of one of these names."""
        while (heard := await self.hear())["event"] not in events:
            pass
        return heard

    async def ask(self, **message: Any) -> dict[str, Any]:
        """Send, and hear the answer with the same id."""
        await self.send(**message)
        while (heard := await self.hear()).get("id") != message["id"]:
            pass
        return heard

    async def end(self) -> tuple[dict[str, Any] | None, int, str]:
        """The last frame, and code and reason of the close."""
        last = None
        try:
            while True:
                last = await self.hear()
        except ConnectionClosed:
            return last, self.connection.close_code or 0, self.connection.close_reason or ""


@asynccontextmanager
async def opened(
    port: int, conversation: str, key: str | None, query: str = "", **settings: Any
) -> AsyncIterator[SocketClient]:
    """A socket, by the header if a key is given. `settings` are those of `websockets`."""
    uri = f"ws://127.0.0.1:{port}/v1/conversations/{conversation}/socket{query}"
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    headers |= settings.pop("headers", {})
    async with connect(
        uri, additional_headers=headers, proxy=None, compression=None, **settings
    ) as connection:
        yield SocketClient(connection)


async def refused(port: int, conversation: str, key: str | None, **settings: Any) -> Any:
    """Status, and the problem, of a socket that is not let in."""
    try:
        async with opened(port, conversation, key, **settings):
            raise AssertionError("It was let in.")
    except InvalidStatus as error:
        response = error.response
        assert response.headers["content-type"] == "application/problem+json"
        return response.status_code, json.loads(response.body or b"null"), response.headers
