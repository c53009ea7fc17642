"""The straight way to a route answers as the framework's way does, and is gone without the framework."""

import re
from typing import Any

import pytest
from litestar import Litestar, get
from litestar.params import FromQuery
from litestar.routes import HTTPRoute

from aigestion.api.app import create_app
from aigestion.api.auth import require_key
from aigestion.api.straight import STRAIGHT, straight
from aigestion.ratelimit.memory import MemoryRateLimiter
from aigestion.ratelimit.routes import RouteLimits
from tests.support.api import asking
from tests.support.api_fakes import World
from tests.unit.api.conftest import Client

CHAT = b'{"type":"user.chat","payload":{"text":"hello"}}'
JSON = {"content-type": "application/json"}
_REMAINING = "ratelimit-remaining"
NOT_PLAIN = {"origin": "https://app.example"}
"""What makes the same request take the framework's way."""
_CHANGING = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\"position\":\d+")


@pytest.fixture
def framework(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of requests that took the framework's way."""
    taken: list[str] = []
    handle = HTTPRoute.handle

    async def noted(self: HTTPRoute, scope: Any, receive: Any, send: Any) -> None:
        taken.append(scope["path"])
        await handle(self, scope, receive, send)

    monkeypatch.setattr(HTTPRoute, "handle", noted)
    return taken


def _told(answer: Any) -> tuple[int, str, list[str]]:
    names = sorted(name for name in answer.headers if not name.startswith("access-control"))
    return answer.status_code, _CHANGING.sub("…", answer.text), names


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (CHAT, {}),
        (CHAT, {"aigestion-user": "ana"}),
        (CHAT, {"content-type": "application/json; charset=utf-8"}),
        (CHAT, {"content-type": "text/plain"}),
        (CHAT, {"authorization": "Bearer nonsense"}),
        (CHAT, {"aigestion-user": "key:me"}),
        (CHAT, {"idempotency-key": "x" * 256}),
        (b"", {}),
        (b"{", {}),
        (b'{"type":"user.chat","payload":{"text":""}}', {}),
        (b'{"type":"user.nap","payload":{}}', {}),
        (b'{"type":"user.action","payload":{"name":"' + b"x" * 2_000 + b'"}}', {}),
        (b"x" * (1024 * 1024 + 1), {}),
    ],
)
@pytest.mark.parametrize("limited", [False, True])
async def test_both_ways_answer_alike(
    content: bytes, headers: dict[str, str], limited: bool
) -> None:
    world = World(limiter=RouteLimits(MemoryRateLimiter()) if limited else None)
    async with _asking(world) as client:
        path = await _started(client)
        plain = await client.post(path, content=content, headers={**JSON, **headers})
        other = await client.post(path, content=content, headers={**JSON, **headers, **NOT_PLAIN})

    assert _told(plain) == _told(other)


async def test_a_plain_request_goes_straight(
    framework: list[str], client: Client, conversation: str
) -> None:
    path = f"/v1/conversations/{conversation}/interactions"
    plain = await client.post(path, content=CHAT, headers=JSON)
    assert (plain.status_code, framework) == (202, [])

    odd = await client.post(path, content=CHAT, headers={**JSON, **NOT_PLAIN})
    assert (odd.status_code, framework) == (202, [path])


async def test_a_repeated_request_gets_its_answer_on_either_way(
    client: Client, conversation: str
) -> None:
    path = f"/v1/conversations/{conversation}/interactions"
    headers = {**JSON, "idempotency-key": "once"}
    first = await client.post(path, content=CHAT, headers=headers)
    again = await client.post(path, content=CHAT, headers={**headers, **NOT_PLAIN})
    assert first.json() == again.json()


async def test_what_fails_is_charged_once() -> None:
    limiter = RouteLimits(MemoryRateLimiter())
    async with _asking(World(limiter=limiter)) as client:
        path = await _started(client)
        left = [
            int((await client.post(path, content=content, headers=JSON)).headers[_REMAINING])
            for content in (CHAT, b"", b"{", CHAT)
        ]
    assert left == [left[0], left[0] - 1, left[0] - 2, left[0] - 3]


async def test_both_ways_are_counted_under_the_same_route(
    client: Client, conversation: str
) -> None:
    path = f"/v1/conversations/{conversation}/interactions"
    for way in ({}, NOT_PLAIN):
        await client.post(path, content=CHAT, headers={**JSON, **way})
    scraped = (await client.get("/metrics")).text
    counted = re.findall(r"http_requests_total\{.*interactions.*\} (\S+)", scraped)
    assert counted == ["2.0"]


@pytest.mark.parametrize("host", ["bad host", "a/b"])
async def test_an_odd_host_is_left_to_the_framework(
    client: Client, conversation: str, host: str
) -> None:
    path = f"/v1/conversations/{conversation}/interactions"
    answer = await client.post(path, content=CHAT, headers={**JSON, "host": host})
    assert answer.status_code == 400


def test_a_route_that_needs_more_has_no_straight_way() -> None:
    @get("/odd", opt={STRAIGHT: True})
    async def odd(width: FromQuery[int]) -> None: ...

    app = Litestar([odd])
    routes = [route for route in app.routes if route.path == "/odd"]
    with pytest.raises(TypeError, match="width"):
        straight(app.asgi_handler, routes, require_key)  # type: ignore[arg-type]


def _asking(world: World) -> Any:
    return asking(create_app(world.doors), world.demo.key)


async def _started(client: Client) -> str:
    started = await client.post("/v1/conversations", json={})
    return f"/v1/conversations/{started.json()['conversation_id']}/interactions"
