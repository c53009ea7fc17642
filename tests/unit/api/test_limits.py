"""Requests are charged to key and tenant, answers say what is left, and a refusal says when to come again."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx2
import pytest
from litestar import Litestar

from aigestion.api.app import create_app
from aigestion.api.keys import mint_key
from aigestion.api.limits import CHARGE
from aigestion.api.scopes import NEEDED
from aigestion.kernel.errors import Unavailable
from aigestion.ratelimit.memory import MemoryRateLimiter
from aigestion.ratelimit.port import Decision, Window
from aigestion.ratelimit.routes import READ, WRITE, RouteLimits
from aigestion.ratelimit.strangers import Strangers
from tests.support.api import asking
from tests.support.api_fakes import OPERATOR_TOKEN, World
from tests.unit.api.conftest import Client

LIST = "/v1/conversations"
CHAT = {"type": "user.chat", "payload": {"text": "hello"}}
FAILURES = 3
LIMITED = ("ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "ratelimit-policy")


class Store:
    """Counts in memory by a clock of ours; does not answer while it is away."""

    def __init__(self) -> None:
        self.now_ms = 0
        self.away = False
        self.counts = MemoryRateLimiter(clock_ms=lambda: self.now_ms)

    async def decide(self, group: str, windows: Sequence[Window], cost: int = 1) -> Decision:
        if self.away:
            raise Unavailable("valkey does not answer.", engine="valkey", retry_after_seconds=1)
        return await self.counts.decide(group, windows, cost)


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def trusted_proxies() -> list[str]:
    return []


@pytest.fixture
def world(store: Store, trusted_proxies: list[str]) -> World:
    strangers = Strangers(
        failures_per_minute=FAILURES, trusted_proxies=trusted_proxies, counts=store.counts
    )
    return World(
        limiter=RouteLimits(
            store,
            per_minute={"read": 10, "write": 4, "expensive": 12},
            tenant_factor=2,
            strangers=strangers,
        )
    )


@pytest.fixture
async def elsewhere(app: Litestar, world: World) -> AsyncIterator[Client]:
    """Asks with the same key from another address."""
    transport = httpx2.ASGITransport(app=app, client=("192.0.2.7", 1))
    headers = {"Authorization": f"Bearer {world.demo.key}"}
    async with Client(transport=transport, base_url="http://api", headers=headers) as client:
        yield client


def figures(answer: httpx2.Response) -> tuple[int, int, int]:
    limit, remaining, reset = (int(answer.headers[name]) for name in LIMITED[:3])
    return limit, remaining, reset


def left(answer: httpx2.Response) -> int:
    return figures(answer)[1]


async def test_answers_say_what_is_left_and_when_all_of_it_is_free(
    store: Store, client: Client
) -> None:
    first = await client.get(LIST)
    store.now_ms = 20_000
    second = await client.get(LIST)

    assert figures(first) == (10, 9, 61)
    assert figures(second) == (10, 8, 61)
    assert second.headers["ratelimit-policy"] == "10;w=60"


async def test_one_too_many_is_a_problem_with_retry_after(store: Store, client: Client) -> None:
    for _ in range(10):
        assert (await client.get(LIST)).status_code == 200
        store.now_ms += 1_000

    refused = await client.get(LIST)

    assert refused.status_code == 429
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.headers["retry-after"] == "51"
    assert figures(refused) == (10, 0, 60)
    assert refused.json() == {
        "type": "urn:aigestion:problem:rate-limited",
        "title": "Too Many Requests",
        "status": 429,
        "detail": "More than 10 in 60 s for this key: there is room again in 51 s.",
        "code": "rate-limited",
        "limited_by": "key",
        "retry_after_seconds": 51,
        "instance": LIST,
    }
    store.now_ms += 51_000
    assert (await client.get(LIST)).status_code == 200


async def test_a_tenants_keys_share_what_the_tenant_may(world: World, app: Litestar) -> None:
    answers = []
    for _ in range(3):
        async with asking(app, world.keys.issue("demo").key) as client:
            answers += [await client.get(LIST) for _ in range(8)]
    async with asking(app, world.keys.issue("other").key) as client:
        elsewhere = await client.get(LIST)

    assert [one.status_code for one in answers] == [200] * 20 + [429] * 4
    assert answers[-1].json()["limited_by"] == "tenant"
    assert figures(answers[-1])[0] == 20
    assert (elsewhere.status_code, left(elsewhere)) == (200, 9)


async def test_refused_to_the_tenant_is_not_charged_to_the_key(
    store: Store, world: World, app: Litestar, client: Client
) -> None:
    for _ in range(2):
        async with asking(app, world.keys.issue("demo").key) as other:
            for _ in range(10):
                await other.get(LIST)
    for _ in range(5):
        assert (await client.get(LIST)).json()["limited_by"] == "tenant"
    store.now_ms = 60_001

    assert left(await client.get(LIST)) == 9


async def test_classes_have_budgets_of_their_own(client: Client, conversation: str) -> None:
    for _ in range(11):
        await client.get(LIST)

    written = await client.post(LIST, json={})
    posted = await client.post(f"{LIST}/{conversation}/interactions", json=CHAT)

    assert (written.status_code, figures(written)[:2]) == (201, (4, 3))
    assert (posted.status_code, figures(posted)[:2]) == (202, (12, 11))


async def test_a_search_costs_more_than_a_read(client: Client) -> None:
    assert left(await client.get("/v1/search?q=a")) == 5
    assert left(await client.get("/v1/analytics/usage")) == 0
    assert (await client.get("/v1/search?q=a")).status_code == 429


async def test_a_document_costs_by_its_size(client: Client) -> None:
    small = await client.post("/v1/documents", json={"title": "a", "text": "short"})
    large = await client.post("/v1/documents", json={"title": "a", "text": "long " * 100_000})

    assert left(small) == 11
    assert left(large) == 11 - 5  # 500 kB are four units more


async def test_a_body_of_unknown_length_costs_as_the_longest_does(client: Client) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b'{"title": "a", "text": "short"}'

    answer = await client.post(
        "/v1/documents", content=body(), headers={"Content-Type": "application/json"}
    )

    assert (answer.status_code, left(answer)) == (201, 0)


async def test_what_costs_more_than_there_is_takes_all_there_is(client: Client) -> None:
    text = "long " * 1_000_000

    first = await client.post("/v1/documents", json={"title": "a", "text": text})
    second = await client.post("/v1/documents", json={"title": "a", "text": text})

    assert (first.status_code, left(first)) == (201, 0)
    assert second.status_code == 429


async def test_errors_are_charged_too(client: Client) -> None:
    missing = await client.get(f"{LIST}/0199aa10-0000-7000-8000-00000000dead")
    wrong = await client.get(f"{LIST}?limit=0")

    assert (missing.status_code, left(missing)) == (404, 9)
    assert (wrong.status_code, left(wrong)) == (400, 8)


async def test_the_operator_has_a_budget_of_its_own(client: Client) -> None:
    operator = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}

    seen = await client.get("/v1/projections", headers=operator)
    rebuilt = await client.post("/v1/projections/conversations/rebuild", headers=operator)
    again = await client.post("/v1/projections/conversations/rebuild", headers=operator)
    by_key = await client.get("/v1/projections")

    assert figures(seen)[:2] == (10, 9)
    assert (rebuilt.status_code, left(rebuilt)) == (200, 2)
    assert again.status_code == 429
    assert left(by_key) == 9


async def test_a_refused_rebuild_is_charged_to_the_key_that_tried(client: Client) -> None:
    answer = await client.post("/v1/projections/conversations/rebuild")

    assert (answer.status_code, left(answer)) == (403, 2)


async def test_health_and_documents_of_the_system_cost_nothing(client: Client) -> None:
    for path in ("/health/live", "/health/ready", "/metrics", "/asyncapi.json", "/schema"):
        answer = await client.get(path)

        assert not set(LIMITED) & set(answer.headers), path


async def test_without_limits_nothing_is_said_of_them() -> None:
    world = World()
    async with asking(create_app(world.doors), world.demo.key) as client:
        answer = await client.get(LIST)

    assert answer.status_code == 200
    assert not set(LIMITED) & set(answer.headers)


async def test_with_the_store_away_reads_go_on_within_a_count_of_this_process(
    store: Store, client: Client
) -> None:
    store.away = True

    answers = [await client.get(LIST) for _ in range(12)]

    assert [one.status_code for one in answers] == [200] * 10 + [429] * 2
    assert left(answers[0]) == 9


async def test_with_the_store_away_writes_and_models_are_closed(
    store: Store, world: World, client: Client, conversation: str
) -> None:
    store.away = True
    operator = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}

    for method, path, headers in (
        ("POST", LIST, {}),
        ("POST", f"{LIST}/{conversation}/interactions", {}),
        ("POST", "/v1/documents", {}),
        ("DELETE", f"/v1/documents/{conversation}", {}),
        ("POST", "/v1/projections/conversations/rebuild", operator),
        ("POST", "/v1/projections/conversations/verify", operator),
    ):
        closed = await client.request(method, path, json=CHAT, headers=headers)

        assert closed.status_code == 503, path
        assert (closed.json()["code"], closed.json()["engine"]) == ("engine-unavailable", "valkey")
        assert closed.headers["retry-after"] == "1"
    assert await world.types() == ["conversation.started"]
    store.away = False
    assert (await client.post(LIST, json={})).status_code == 201


async def test_bad_keys_are_bounded_by_the_address_they_come_from(
    world: World, client: Client, elsewhere: Client
) -> None:
    statuses = [await bad(client) for _ in range(FAILURES + 2)]
    lookups = world.keys.lookups
    more = [await bad(client) for _ in range(5)]

    assert statuses == [401] * FAILURES + [429] * 2
    assert more == [429] * 5
    assert world.keys.lookups == lookups
    assert await bad(elsewhere) == 401


async def test_a_refused_address_is_told_when_to_come_again(store: Store, client: Client) -> None:
    for _ in range(FAILURES):
        await bad(client)
        store.now_ms += 10_000

    answer = await client.get(LIST, headers={"Authorization": "Basic dXNlcjpwYXNz"})

    assert (answer.status_code, answer.json()["limited_by"]) == (429, "address")
    assert answer.headers["retry-after"] == "31"
    store.now_ms += 31_000
    assert await bad(client) == 401


async def test_good_keys_pass_beside_a_flood_of_bad_ones(world: World, client: Client) -> None:
    assert (await client.get(LIST)).status_code == 200
    for _ in range(FAILURES + 1):
        await bad(client)

    known = await client.get(LIST)
    new = await client.get(
        LIST, headers={"Authorization": f"Bearer {world.keys.issue('demo').key}"}
    )

    assert known.status_code == 200
    assert new.status_code == 429  # unknown so far, and nothing more is looked up for this address


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-For": "203.0.113.{}"},
        {"Forwarded": "for=203.0.113.{}"},
        {"X-Real-IP": "203.0.113.{}", "X-Forwarded-For": "10.0.0.{}, 203.0.113.{}"},
        {"X-Forwarded-Host": "host-{}", "True-Client-IP": "203.0.113.{}"},
    ],
)
async def test_no_header_makes_a_sender_another_one(
    client: Client, headers: dict[str, str]
) -> None:
    forged = [
        {name: value.replace("{}", str(n)) for name, value in headers.items()} for n in range(9)
    ]

    statuses = [await bad(client, one) for one in forged]
    served = [await client.get(LIST, headers=one) for one in forged]

    assert statuses == [401] * FAILURES + [429] * (9 - FAILURES)
    assert [one.status_code for one in served] == [429] * 9


@pytest.mark.parametrize("trusted_proxies", [["127.0.0.0/8", "10.0.0.0/8"]])
class TestBehindTrustedProxies:
    async def test_the_last_hop_that_is_no_proxy_is_the_sender(self, client: Client) -> None:
        def from_(address: str) -> dict[str, str]:
            return {"X-Forwarded-For": f"198.51.100.1, {address}, 10.0.0.2"}

        for _ in range(FAILURES + 1):
            last = await bad(client, from_("203.0.113.5"))

        assert last == 429
        assert await bad(client, from_("203.0.113.6")) == 401

    async def test_what_the_sender_wrote_before_the_proxy_changes_nothing(
        self, client: Client
    ) -> None:
        statuses = [
            await bad(client, {"X-Forwarded-For": f"10.9.9.{n}, 198.51.100.{n}, 203.0.113.5"})
            for n in range(FAILURES + 2)
        ]

        assert statuses == [401] * FAILURES + [429] * 2


async def test_every_route_says_what_it_costs(app: Litestar) -> None:
    charges: dict[str, Any] = {}
    for route in app.routes:
        for handler in getattr(route, "route_handlers", ()):
            needs_key = route.path.startswith("/v1/") or handler.opt.get(NEEDED)
            for method in handler.http_methods - {"OPTIONS"} if needs_key else ():
                default = READ if method == "GET" else WRITE
                charge = handler.opt.get(CHARGE, default)
                charges[f"{method} {route.path_format}"] = f"{charge.route_class} {charge.cost}"

    assert charges == {
        "POST /graphql": "read 1",
        "GET /v1/agents": "read 1",
        "GET /v1/agents/{name}": "read 1",
        "PUT /v1/agents/{name}": "write 1",
        "POST /v1/agents/{name}/register": "write 1",
        "POST /v1/agents/{name}/rollback": "write 1",
        "GET /v1/agents/{name}/versions": "read 1",
        "GET /v1/analytics": "read 1",
        "GET /v1/analytics/{report}": "read 5",
        "GET /v1/caller": "read 1",
        "GET /v1/checkpoint": "read 1",
        "GET /v1/conversations": "read 1",
        "POST /v1/conversations": "write 1",
        "GET /v1/conversations/{conversation_id}": "read 1",
        "PATCH /v1/conversations/{conversation_id}": "write 1",
        "POST /v1/conversations/{conversation_id}/interactions": "expensive 1",
        "POST /v1/conversations/{conversation_id}/interactions/{event_id}/failure": "write 1",
        "POST /v1/conversations/{conversation_id}/interactions/{event_id}/reply": "write 1",
        "POST /v1/conversations/{conversation_id}/interactions/{event_id}/retry": "expensive 1",
        "GET /v1/conversations/{conversation_id}/stream": "read 1",
        "GET /v1/documents": "read 1",
        "POST /v1/documents": "expensive 1",
        "GET /v1/documents/{document_id}": "read 1",
        "DELETE /v1/documents/{document_id}": "write 1",
        "GET /v1/events": "read 1",
        "GET /v1/events/stream": "read 1",
        "GET /v1/events/{event_id}": "read 1",
        "GET /v1/keys": "read 1",
        "POST /v1/keys": "write 1",
        "DELETE /v1/keys/{key_id}": "write 1",
        "POST /v1/keys/{key_id}/expire": "write 1",
        "GET /v1/projections": "read 1",
        "GET /v1/projections/{name}/parked": "read 1",
        "POST /v1/projections/{name}/rebuild": "expensive 10",
        "POST /v1/projections/{name}/redrive": "expensive 10",
        "POST /v1/projections/{name}/rollback": "expensive 10",
        "POST /v1/projections/{name}/verify": "expensive 10",
        "GET /v1/runs": "read 1",
        "GET /v1/runs/{run_id}": "read 1",
        "POST /v1/runs/{run_id}/cancel": "write 1",
        "GET /v1/search": "read 5",
        "GET /v1/tenants": "read 1",
        "POST /v1/tenants": "write 1",
    }


async def test_refusals_are_counted(client: Client, store: Store) -> None:
    for _ in range(6):
        await client.post(LIST, json={})
    for _ in range(FAILURES + 1):
        await bad(client)
    store.away = True
    await client.post(LIST, json={})

    text = (await client.get("/metrics")).text

    assert 'aigestion_http_limited_total{by="key",route_class="write"} 2.0' in text
    assert 'aigestion_http_limited_total{by="address",route_class="none"} 1.0' in text
    assert 'aigestion_http_limited_total{by="store",route_class="write"} 1.0' in text


async def bad(client: Client, headers: dict[str, str] | None = None) -> int:
    """The status of a request with a well-formed key that nobody issued."""
    key = {"Authorization": f"Bearer {mint_key().key}"}
    return (await client.get(LIST, headers={**key, **(headers or {})})).status_code
