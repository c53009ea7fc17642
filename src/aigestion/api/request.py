"""A request as routes see it: who calls, on whose behalf, and the rest of the system."""

import hashlib
from typing import Any, TypeVar, cast
from uuid import UUID

import msgspec
from litestar import Request
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.types import Empty
from pydantic import BaseModel

from aigestion.api.body import parse_body
from aigestion.api.doors import Doors
from aigestion.api.header import first_header
from aigestion.api.keys import PresentedKey
from aigestion.kernel.context import Context, requested
from aigestion.kernel.context import Request as RequestKey
from aigestion.kernel.errors import TooLarge
from aigestion.kernel.ids import derived_id, new_id

OPERATOR = "operator"
"""The actor of what was done with the operator's token."""

M = TypeVar("M", bound=BaseModel)


class Caller(msgspec.Struct, frozen=True):
    """Who calls: known by the key and, if the key's owner says so, by the user it acts for."""

    tenant: str
    actor: str
    """`user:<id>` when the header `Aigestion-User` names one, `key:<id>` otherwise."""
    user_id: str
    """Whose conversations this caller starts."""
    key: PresentedKey
    scopes: tuple[str, ...]
    """What the key may do."""


class ApiRequest(Request[None, Caller, State]):
    """`auth` is the caller, set by the guard; `json()` is the body as the route's model."""

    @property
    def doors(self) -> Doors:
        return cast(Doors, self.app.state.doors)

    @property
    def tenant(self) -> str:
        return self.auth.tenant

    async def body(self) -> bytes:
        """The body; `TooLarge` names the limit. Read by its announced length, it costs one message."""
        if self._body is Empty:
            self._body = self._connection_state.body = await self._received()
        return self._body

    async def _received(self) -> bytes:
        limit = self.route_handler.resolve_request_max_body_size()
        assert isinstance(limit, int)
        stated = first_header(self.scope, b"content-length") or ""
        announced = int(stated) if stated.isascii() and stated.isdigit() else self.content_length
        if announced is not None and announced > limit:
            raise _too_large(limit)
        content = bytearray()
        more = announced != 0
        while more:
            message: Any = await self.receive()
            if message["type"] == "http.disconnect":
                raise HTTPException(detail="The caller left.", status_code=400)
            content += message["body"]
            if len(content) > limit:
                raise _too_large(limit)
            more = message.get("more_body", False) and len(content) != announced
        return bytes(content)

    async def json(self) -> Any:
        """The body as the model that the route's parameter `data` asks for."""
        field = self.route_handler.parsed_data_field
        assert field is not None
        return await self.body_as(field.annotation)

    async def body_as(self, model: type[M]) -> M:
        """The body as a model; `InvalidInput` names every bad field of it."""
        stated = first_header(self.scope, b"content-type")
        if stated != "application/json" and self.content_type[0] != "application/json":
            raise HTTPException(status_code=415)
        return parse_body(model, await self.body())

    async def context(self, key: str | None, content: bytes | None = None) -> Context:
        """On whose behalf a command runs, and which `Idempotency-Key` it came with.

        `content` stands for a body that two sendings of one request write differently.
        """
        caller = self.auth
        if key is None:
            return Context(tenant=caller.tenant, actor=caller.actor)
        return await self._context(caller.tenant, caller.actor, key, content)

    async def key(self, key: str | None, content: bytes | None = None) -> RequestKey | None:
        """The caller's `Idempotency-Key`, and what it stands for: route, question and body."""
        if key is None:
            return None
        asked = self.scope["query_string"].decode("latin-1")
        door = f"{self.method} {self.scope['path']}" + (f"?{asked}" if asked else "")
        return request_key(key, door, await self.body() if content is None else content)

    async def operating_on(self, tenant: str, key: str | None) -> Context:
        """The same for a command that whoever runs this installation gives in another tenant's log."""
        caller: Caller | None = self.scope.get("auth")
        return await self._context(tenant, caller.actor if caller else OPERATOR, key)

    async def _context(
        self, tenant: str, actor: str, key: str | None, content: bytes | None = None
    ) -> Context:
        return context_of(tenant, actor, await self.key(key, content))


def request_key(key: str, door: str, content: bytes) -> RequestKey:
    """Two sendings through one door with one key and one content are the same request."""
    return RequestKey(key, hashlib.sha256(f"{door}\n".encode("latin-1") + content).digest())


def context_of(tenant: str, actor: str, request: RequestKey | None) -> Context:
    """On whose behalf, and with which request's key."""
    if request is None:
        return Context(tenant=tenant, actor=actor)
    return requested(tenant, actor, request)


def minted(context: Context, noun: str) -> UUID:
    """An id for something new: the same again when the same request comes again."""
    return new_id() if context.request is None else derived_id(context.correlation_id, noun)


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"The body is larger than {limit} bytes.", limit_bytes=limit)
