"""A conversation over one socket: what happens comes in, what the user does goes out."""

import asyncio
from contextlib import ExitStack, suppress
from typing import Any, Literal
from uuid import UUID

import msgspec
from litestar import WebSocket, websocket
from litestar.params import FromPath

from aigestion.api.auth import Keys, caller_of, require_scope
from aigestion.api.body import BODY_BYTES_MAX, parse_body
from aigestion.api.delivery import (
    LAST_SEND_SECONDS_MAX,
    TOO_SLOW,
    Ending,
    OpenStreams,
    Outlet,
    deliver,
    drained,
    ended,
)
from aigestion.api.doors import Doors
from aigestion.api.errors import answer_to
from aigestion.api.following import Shown, follow, must_exist, shown_of
from aigestion.api.handshake import check_origin, refuse
from aigestion.api.limits import Charging
from aigestion.api.request import Caller, context_of, request_key
from aigestion.api.scopes import NEEDED
from aigestion.api.v1.interactions import recorded
from aigestion.api.v1.runs import stop
from aigestion.api.v1.socket_messages import (
    BAD_MESSAGES,
    BAD_MESSAGES_MAX,
    PROTOCOL,
    TOO_LARGE,
    CancelSent,
    Command,
    Frame,
    PingSent,
    Received,
    close_of,
    id_in,
)
from aigestion.api.v1.stream import position_in
from aigestion.kernel.context import Context
from aigestion.kernel.errors import InvalidInput, TooLarge
from aigestion.ratelimit.routes import RouteClass

Socket = WebSocket[Any, Any, Any]

_HEARTBEAT = Frame("heartbeat")


@websocket("/conversations/{conversation_id:uuid}/socket")
async def converse(socket: Socket, conversation_id: FromPath[UUID]) -> None:
    """Refused before it opens with the answer that a request would get; see `docs/reference/socket.md`."""
    streams: OpenStreams = socket.app.state.streams
    await socket.receive()  # that it wants to connect
    with ExitStack() as place:
        try:
            session = await _admitted(socket, conversation_id)
            place.enter_context(streams.opened())
        except Exception as error:
            await refuse(socket, error)
            return
        await session.run()


async def _admitted(socket: Socket, conversation_id: UUID) -> "_Session":
    """Who may open it, from where; raises what a request would be answered with."""
    doors: Doors = socket.app.state.doors
    check_origin(socket, socket.app.state.origins)
    caller = await caller_of(socket)
    session = _Session(socket, caller, conversation_id, _position(socket, "after"))
    await session.charge("read")
    require_scope(caller, socket.route_handler.opt[NEEDED])
    socket.app.state.streams.check()
    await doors.feed.at_least(_position(socket, "min_position"))
    await must_exist(doors, caller.tenant, conversation_id)
    return session


def _position(socket: Socket, name: str) -> int:
    return position_in(name, socket.query_params.get(name, "0"))


class _Session:
    """One socket, open."""

    def __init__(self, socket: Socket, caller: Caller, conversation_id: UUID, after: int) -> None:
        self._socket = socket
        self._caller = caller
        self._conversation_id = conversation_id
        self._doors: Doors = socket.app.state.doors
        self._streams: OpenStreams = socket.app.state.streams
        self._outlet = Outlet(self._send, after, self._streams.send_seconds_max)

    async def run(self) -> None:
        """Until either side closes it, the key ends or the server drains."""
        offered = self._socket.scope["subprotocols"]
        protocol = PROTOCOL if PROTOCOL in offered else None
        await self._socket.send(
            {"type": "websocket.accept", "subprotocol": protocol, "headers": []}
        )
        keys: Keys = self._socket.app.state.api_keys
        doors, conversation_id = self._doors, self._conversation_id
        query = shown_of(conversation_id)
        how = await deliver(
            follow(doors, self._caller.tenant, query, self._outlet.after, conversation_id),
            self._outlet,
            _written,
            self._conclude,
            self._hear(),
            drained(doors.draining),
            ended(keys.closed(self._caller.key)),
        )
        if how is not None:
            await self._close(*how)

    async def charge(self, route_class: RouteClass) -> None:
        """Charge the caller; raises as a request's charge does."""
        charging: Charging | None = self._socket.app.state.charging
        if charging is not None:
            await charging.spend(self._caller.key.key_id, self._caller.tenant, route_class)

    async def _hear(self) -> Ending | None:
        """Do what comes, in its order; returns when the client has left, or is to be left."""
        bad = 0
        while (message := await self._socket.receive())["type"] == "websocket.receive":
            text = message.get("text")
            answer = await self._answer(text)
            await self._outlet.put(msgspec.json.encode(answer), None)
            if answer.event != "problem":
                bad = 0
            elif answer.data["code"] == TooLarge.code:
                return Ending(TOO_LARGE, answer.data["detail"])
            elif answer.data["code"] == InvalidInput.code:
                bad += 1
            if bad == BAD_MESSAGES_MAX:
                return Ending(BAD_MESSAGES, f"{bad} messages in a row could not be read.")
        return None

    async def _answer(self, text: str | None) -> Frame:
        given_id: str | None = None
        try:
            if text is None:
                raise InvalidInput("A message is text: JSON, as UTF-8.", errors=[])
            content = text.encode()
            if len(content) > BODY_BYTES_MAX:
                raise TooLarge(
                    f"The message is larger than {BODY_BYTES_MAX} bytes.",
                    limit_bytes=BODY_BYTES_MAX,
                )
            given_id = id_in(text)
            received = parse_body(Received, content).root
            if isinstance(received, PingSent):
                return Frame("pong", id=received.id)
            return await self._done(received)
        except Exception as error:
            return Frame("problem", answer_to(self._socket, error).members, id=given_id)

    async def _done(self, command: Any) -> Frame:
        require_scope(self._caller, "write")
        context = self._context(command)
        if isinstance(command, CancelSent):
            await self.charge("write")
            stopped = await stop(self._doors, context, command.run_id)
            return Frame("accepted", stopped, stopped.position, command.id)
        await self.charge("expensive")
        said = await recorded(self._doors, context, self._conversation_id, command.what())
        return Frame("accepted", said, said.position, command.id)

    def _context(self, command: Command) -> Context:
        door = f"WEBSOCKET {self._socket.scope['path']}"
        caller, key = self._caller, command.idempotency_key
        request = None if key is None else request_key(key, door, command.content())
        return context_of(caller.tenant, caller.actor, request)

    async def _send(self, message: bytes) -> None:
        await self._socket.send({"type": "websocket.send", "text": message.decode(), "bytes": None})

    async def _conclude(self, ending: Ending) -> None:
        await self._send(msgspec.json.encode(Frame(_last_event(ending), ending)))

    async def _close(self, ending: Ending, said: bool) -> None:
        """Nobody may be hearing by now: the server closes only then. If that takes long, it cuts the connection."""
        if ending.code == TOO_SLOW:
            self._streams.dropped.inc()
        code, reason = close_of(ending, said)
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_SEND_SECONDS_MAX):
                await self._socket.send({"type": "websocket.close", "code": code, "reason": reason})


def _last_event(ending: Ending) -> Literal["dropped", "end"]:
    return "dropped" if ending.code == TOO_SLOW else "end"


def _written(shown: Shown | None) -> bytes:
    return msgspec.json.encode(_HEARTBEAT if shown is None else shown)
