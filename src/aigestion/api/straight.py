"""The straight way to routes that are asked all the time: what the framework does for any route, done for one.

Only a request that is plain goes it. Anything else, and every error, takes the framework's way, so that
both ways answer alike.
"""

import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, cast

from litestar.enums import ScopeType
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute
from litestar.types import ASGIApp, Receive, Scope, Send

from aigestion.api.answers import IDEMPOTENCY_KEY_CHARS_MAX, Answered
from aigestion.api.request import ApiRequest
from aigestion.kernel.ids import id_of

STRAIGHT = "straight"
"""Where a route says that there is a straight way to it. Its parameters may be ids of its path, `data` and
`idempotency_key`, and its answer is `Answered`."""

Guard = Callable[[Any], Awaitable[None]]

_LEFT = "straight_left"
"""In a scope: the straight way was left after the guard, with this error or none."""
_UUID = "([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"
_PARAMETER = re.compile(r"\\{(\w+)\\}")
_HOST = re.compile(rb"[A-Za-z0-9.-]+(:[0-9]{1,5})?")
_KEY = re.compile(rb"[\x20-\x7e]{1,%d}" % IDEMPOTENCY_KEY_CHARS_MAX)
_OF_THE_ROUTE = frozenset({"request", "data", "idempotency_key"})


class _Way:
    """One route's path as a pattern, and what its function is given."""

    def __init__(self, route: HTTPRoute, handler: HTTPRouteHandler) -> None:
        pattern = re.escape(route.path_format)
        self.path_template = route.path_format
        self.ids = tuple(_PARAMETER.findall(pattern))
        self.match = re.compile(_PARAMETER.sub(lambda _: _UUID, pattern)).fullmatch
        self.handler = handler
        self.answer = handler.fn
        self.has_key = "idempotency_key" in handler.parsed_fn_signature.parameters
        field = handler.parsed_data_field
        self.model = None if field is None else field.annotation
        odd = handler.parsed_fn_signature.parameters.keys() - _OF_THE_ROUTE - set(self.ids)
        if odd:
            raise TypeError(f"there is no straight way to {route.path_format}: {', '.join(odd)}")

    async def answered(
        self, request: ApiRequest, given: dict[str, Any], guard: Guard
    ) -> ASGIApp | None:
        """What sends the answer; None if the body is missing: the framework knows what to say of that."""
        await guard(request)
        if self.model is not None:
            if not await request.body():
                return None
            given["data"] = await request.body_as(self.model)
        answer: Answered[Any] = await self.answer(request=request, **given)
        sends = answer.to_asgi_response(None, request, status_code=self.handler.status_code)
        return cast(ASGIApp, sends)


def straight(app: ASGIApp, routes: Iterable[HTTPRoute], guard: Guard) -> ASGIApp:
    """The app, with a straight way to those of its routes that say so. `guard` is what they all have."""
    ways = [
        (method, _Way(route, handler))
        for route in routes
        for method, (handler, _) in route.route_handler_map.items()
        if handler.opt.get(STRAIGHT)
    ]

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        found = _found(scope, ways)
        if found is None:
            await app(scope, receive, send)
            return
        way, given = found
        scope["path_template"] = way.path_template
        scope["route_handler"] = way.handler
        scope["path_params"] = {name: given[name] for name in way.ids}
        sends, failed = None, None
        try:
            sends = await way.answered(ApiRequest(scope, receive, send), given, guard)
        except Exception as error:
            failed = error
        if sends is None:
            cast(dict[str, Any], scope)[_LEFT] = (failed,)
            sends = app
        await sends(scope, receive, send)

    return call


def telling(guard: Guard) -> Guard:
    """The guard of routes with a straight way: what went wrong on it goes on as if it had gone wrong here."""

    async def guarding(request: Any) -> None:
        left = request.scope.get(_LEFT)
        if left is None:
            await guard(request)
        elif left[0] is not None:
            raise left[0]

    return guarding


def _found(scope: Scope, ways: list[tuple[Any, _Way]]) -> tuple[_Way, dict[str, Any]] | None:
    """The way of a plain request, and what its route is given besides a body."""
    if scope["type"] != ScopeType.HTTP or scope["query_string"]:
        return None
    method, path = scope["method"], scope["path"]
    for of, way in ways:
        if of == method and (ids := way.match(path)):
            key = _key_of_plain(scope["headers"])
            if key is None or (key and not way.has_key):
                return None
            given: dict[str, Any] = dict(zip(way.ids, map(id_of, ids.groups()), strict=True))
            if way.has_key:
                given["idempotency_key"] = key or None
            return way, given
    return None


def _key_of_plain(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """The request's `Idempotency-Key`, empty if it has none; None if something about it is not plain."""
    key, hosts = b"", 0
    for name, value in headers:
        if name == b"host":
            hosts += 1 if _HOST.fullmatch(value) else 2
        elif name == b"origin":
            return None
        elif name == b"idempotency-key":
            if key or not _KEY.fullmatch(value):
                return None
            key = value
    return key.decode() if hosts == 1 else None
