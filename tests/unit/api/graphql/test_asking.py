"""`POST /graphql` without a socket: who may ask, how it is answered, what errors tell and what they do not."""

import json
import logging
import re
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

import httpx2
import pytest
from litestar import Litestar

from aigestion.api.app import create_app
from aigestion.api.graphql.explorer import explorer_page
from aigestion.api.graphql.operation import Operation
from aigestion.api.graphql.routes import BODY_BYTES_MAX
from aigestion.api.graphql.schema import ROUTES, schema
from aigestion.api.scopes import NEEDED
from aigestion.kernel.errors import Unavailable
from aigestion.ratelimit.memory import MemoryRateLimiter
from aigestion.ratelimit.routes import RouteLimits
from tests.support.api import asking
from tests.support.api_fakes import World
from tests.unit.api.conftest import Client
from tests.unit.api.v1.test_runs import RUN, RUN_ID

PATH = "/graphql"
GRAPHQL_JSON = "application/graphql-response+json"
STREAM = "text/event-stream"
NOBODYS = "0199aa10-0000-7000-8000-00000000dead"
SECRET = "postgres://user:hunter2@db"


async def ask(
    client: Client, query: str, headers: Mapping[str, str] | None = None, **variables: Any
) -> httpx2.Response:
    body = {"query": query, "variables": variables}
    return await client.post(PATH, json=body, headers=headers)


def errors(answer: httpx2.Response) -> list[dict[str, Any]]:
    """The `extensions` of every error."""
    return [one["extensions"] for one in answer.json()["errors"]]


def streamed(answer: httpx2.Response) -> list[tuple[str, Any]]:
    """Events and their data."""
    assert answer.headers["content-type"].startswith(STREAM)
    frames = re.findall(r"event: (\w+)\ndata: (.*)\n\n", answer.text)
    return [(event, json.loads(data) if data else None) for event, data in frames]


async def test_a_query_is_answered_with_its_position_and_its_cost(
    world: World, client: Client, conversation: str
) -> None:
    answer = await ask(client, "{ agents { items { agent } } conversations { nextCursor } }")

    assert answer.status_code == 200
    assert answer.json() == {
        "data": {
            "agents": {"items": [{"agent": "assistant"}]},
            "conversations": {"nextCursor": None},
        },
        "extensions": {"cost": 22, "position": 0},
    }
    assert answer.headers["aigestion-position"] == "0"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["request-id"]


async def test_every_argument_reaches_the_query_as_over_http(world: World, client: Client) -> None:
    query = """
    query ($c: UUID, $s: RunState) {
      runs(conversationId: $c, agent: "assistant", state: $s, from: "2026-01-01", limit: 9) { stale }
    }
    """
    await ask(client, query, c=str(RUN.conversation_id), s="failed")
    await client.get(
        f"/v1/runs?conversation_id={RUN.conversation_id}&agent=assistant&state=failed"
        "&from=2026-01-01&limit=9"
    )

    through_graphql, over_http = world.runs.asked
    assert through_graphql == over_http
    assert type(through_graphql[1].state) is str


async def test_a_refused_field_is_null_and_the_others_are_there(
    world: World, client: Client
) -> None:
    world.runs.runs["demo", RUN_ID] = RUN
    query = f"""{{
      there: run(runId: "{RUN_ID}") {{ state begunAt }}
      nobodys: run(runId: "{NOBODYS}") {{ state }}
      named: agent(name: "nobody") {{ model }}
      unknown: report(report: "nothing") {{ columns }}
    }}"""

    answer = await ask(client, query)

    over_http = await client.get(f"/v1/runs/{NOBODYS}")
    assert answer.status_code == 200
    assert answer.json()["data"] == {
        "there": {"state": "started", "begunAt": "2026-11-23T12:00:00Z"},
        "nobodys": None,
        "named": None,
        "unknown": None,
    }
    told = {one["path"][0]: one for one in answer.json()["errors"]}
    assert told["nobodys"]["message"] == over_http.json()["detail"]
    assert told["nobodys"]["extensions"] == {"code": "not-found", "status": 404}
    assert "there are usage" in told["unknown"]["message"]


async def test_what_a_route_would_refuse_is_refused_with_its_words(client: Client) -> None:
    wrong = {
        "conversations(limit: 0)": "/v1/conversations?limit=0",
        "conversations(minPosition: -1)": "/v1/conversations?min_position=-1",
        'conversations(cursor: "x")': "/v1/conversations?cursor=x",
        'conversations(from: "2026-02-01", to: "2026-01-01")': "/v1/conversations"
        "?from=2026-02-01&to=2026-01-01",
        f'conversations(agent: "{"a" * 64}")': f"/v1/conversations?agent={'a' * 64}",
        'conversations(userId: " ")': "/v1/conversations?user_id=%20",
        'search(q: "")': "/v1/search?q=",
        'report(report: "usage", by: "moon")': "/v1/analytics/usage?by=moon",
        'report(report: "usage", filter: ["agent"])': "/v1/analytics/usage?filter=agent",
    }
    for field, path in wrong.items():
        answer = await ask(client, f"{{ {field} {{ __typename }} }}")
        over_http = (await client.get(path)).json()

        (told,) = errors(answer)
        assert (told["code"], told["status"]) == (over_http["code"], over_http["status"]), field
        names = [one["field"].replace("_p", "P").replace("_i", "I") for one in over_http["errors"]]
        assert [one["field"] for one in told["errors"]] == names, field
        assert [one["message"] for one in told["errors"]] == [
            one["message"] for one in over_http["errors"]
        ]


async def test_a_view_that_is_behind_says_when_to_come_again(client: Client) -> None:
    answer = await ask(client, "{ conversations(minPosition: 99) { stale } }")

    (told,) = errors(answer)
    assert answer.status_code == 200
    assert (told["code"], told["status"]) == ("view-behind", 503)
    assert told["retry_after_seconds"] >= 1
    assert told["position"] == 0


async def test_an_engine_that_is_away_is_named(world: World, client: Client) -> None:
    world.search.error = Unavailable("elasticsearch does not answer.", engine="elasticsearch")

    answer = await ask(client, '{ search(q: "a") { stale } reports { items { name } } }')

    (told,) = errors(answer)
    assert (told["code"], told["engine"]) == ("engine-unavailable", "elasticsearch")
    assert told["retry_after_seconds"] == 1
    assert answer.json()["data"]["search"] is None
    assert len(answer.json()["data"]["reports"]["items"]) > 5


@pytest.mark.parametrize("error", [RuntimeError(SECRET), OSError(SECRET), KeyError(SECRET)])
async def test_a_fault_of_ours_tells_nothing_of_itself(
    world: World, client: Client, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    world.search.error = error

    with caplog.at_level(logging.WARNING):
        answer = await ask(client, '{ search(q: "a") { stale } }')

    (told,) = errors(answer)
    assert answer.json()["data"] == {"search": None}
    assert told["code"] in ("internal-error", "engine-unavailable")
    assert SECRET not in answer.text
    assert SECRET in caplog.text
    if told["code"] == "internal-error":
        assert told["request_id"] == answer.headers["request-id"]


async def test_a_stale_part_makes_the_answer_stale(world: World, client: Client) -> None:
    fresh = await ask(client, '{ search(q: "a") { stale } }')
    world.search.stale = True
    stale = await ask(client, '{ search(q: "a") { stale } }')

    assert "aigestion-stale" not in fresh.headers
    assert stale.headers["aigestion-stale"] == "true"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "invalid-input"),
        (b"{", 400, "invalid-input"),
        (b"null", 400, "invalid-input"),
        (b'[{"query": "{ __typename }"}]', 400, "invalid-input"),
        (b'{"query": 1}', 400, "invalid-input"),
        (b'{"query": "{ __typename }", "variables": []}', 400, "invalid-input"),
        (b'{"query": "{ __typename }", "variables": {"a": "\\u0000"}}', 400, "invalid-input"),
        (b'{"query": "{ __typename }", "more": 1}', 400, "invalid-input"),
        (b'{"query": "{ __typename \xff }"}', 400, "invalid-input"),
        (b'{"query": "' + b"#" * BODY_BYTES_MAX + b'"}', 413, "too-large"),
    ],
)
async def test_a_body_that_is_no_request_is_a_problem(
    client: Client, body: bytes, status: int, code: str
) -> None:
    answer = await client.post(PATH, content=body, headers={"Content-Type": "application/json"})

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"


async def test_another_content_type_is_415(client: Client) -> None:
    answer = await client.post(
        PATH, content=b"{ __typename }", headers={"Content-Type": "application/graphql"}
    )

    assert answer.status_code == 415


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{", "malformed-request"),
        ("{ nothing }", "invalid-input"),
        ("{" * 2001, "query-too-complex"),
        ("{ a: __typename b: __typename }" + " #" * 10_000, "query-too-complex"),
        ("mutation { runs { stale } }", "invalid-input"),
        (
            f'subscription {{ live(conversationId: "{NOBODYS}") {{ piece {{ text }} }} }}',
            "invalid-input",
        ),
    ],
)
async def test_a_document_that_cannot_be_run_is_told_in_the_callers_form(
    client: Client, query: str, code: str
) -> None:
    plain = await ask(client, query)
    graphql = await ask(client, query, headers={"Accept": GRAPHQL_JSON})
    stream = await ask(client, query.replace("subscription", "query"), headers={"Accept": STREAM})

    assert plain.status_code == 200
    assert plain.headers["content-type"] == "application/json"
    assert graphql.status_code == 400
    assert graphql.headers["content-type"] == GRAPHQL_JSON
    assert plain.json() == graphql.json()
    assert "data" not in plain.json()
    assert errors(plain)[0]["code"] == code
    (first, told), last = streamed(stream)
    assert (first, last) == ("next", ("complete", None))
    assert told["errors"][0]["extensions"]["code"] == code


async def test_a_message_does_not_repeat_all_that_came_in(client: Client) -> None:
    answer = await ask(client, f'{{ run(runId: "{"x" * 15_000}") {{ state }} }}')

    assert len(answer.text) < 1_000


async def test_a_query_may_be_streamed_too(client: Client) -> None:
    answer = await ask(client, "{ agents { items { agent } } }", headers={"Accept": STREAM})

    assert streamed(answer) == [
        (
            "next",
            {
                "data": {"agents": {"items": [{"agent": "assistant"}]}},
                "extensions": {"cost": 21, "position": 1},
            },
        ),
        ("complete", None),
    ]


async def test_without_a_key_nothing_is_answered(client: Client) -> None:
    del client.headers["Authorization"]

    answer = await ask(client, "{ __schema { types { name } } }")

    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


async def test_a_key_needs_read_to_ask_and_events_to_follow(world: World, app: Litestar) -> None:
    follow = f'subscription {{ live(conversationId: "{NOBODYS}") {{ piece {{ text }} }} }}'
    async with asking(app, world.keys.issue("demo", ["events", "write"]).key) as client:
        unread = await ask(client, "{ __typename }")
    async with asking(app, world.keys.issue("demo", ["read"]).key) as client:
        read = await ask(client, "{ __typename }")
        followed = await ask(client, follow, headers={"Accept": STREAM})

    assert (unread.status_code, unread.json()["code"]) == (403, "scope-missing")
    assert read.json()["data"] == {"__typename": "Query"}
    ((_, told), _) = streamed(followed)
    assert told["errors"][0]["extensions"] == {
        "code": "scope-missing",
        "status": 403,
        "scope": "events",
    }


async def test_what_is_asked_here_needs_no_other_scope_on_its_own_route(app: Litestar) -> None:
    needed = {
        handler.fn: handler.opt.get(NEEDED)
        for route in app.routes
        for handler in getattr(route, "route_handlers", ())
    }

    assert {needed[route.fn] for route in ROUTES.values()} == {"read"}


async def test_it_is_charged_what_the_same_would_cost_over_http() -> None:
    limits = RouteLimits(
        MemoryRateLimiter(clock_ms=lambda: 0), per_minute={"read": 20, "write": 1, "expensive": 1}
    )
    world = World(limiter=limits)
    async with asking(create_app(world.doors), world.demo.key) as client:
        one = await ask(client, "{ agents { items { agent } } }")
        seven = await ask(
            client, '{ agents { items { agent } } runs { stale } search(q: "a") { stale } }'
        )
        refused_document = await ask(client, "{ nothing }")
        eleven = await ask(client, "{ runs(limit: 10) { items { steps { state } } } }")
        none_left = await ask(client, "{ __typename }")

    left = [int(answer.headers["ratelimit-remaining"]) for answer in (one, seven, refused_document)]
    assert left == [19, 12, 11]
    assert int(eleven.headers["ratelimit-remaining"]) == 0
    assert none_left.status_code == 429
    assert none_left.json()["code"] == "rate-limited"
    assert int(none_left.headers["retry-after"]) > 0


async def test_who_has_not_enough_left_gets_nothing_of_it() -> None:
    limits = RouteLimits(
        MemoryRateLimiter(clock_ms=lambda: 0), per_minute={"read": 20, "write": 1, "expensive": 1}
    )
    world = World(limiter=limits)
    async with asking(create_app(world.doors), world.demo.key) as client:
        for _ in range(15):
            await ask(client, "{ __typename }")
        answer = await ask(client, "{ runs(limit: 10) { items { steps { state } } } }")

    assert (answer.status_code, answer.json()["code"]) == (429, "rate-limited")
    assert world.runs.asked == []


class _Page(HTMLParser):
    """What a page has that matters to who cannot see it, and to who must not load anything."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def all(self, *names: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag in names]


async def test_browsers_get_a_page_that_loads_nothing(client: Client) -> None:
    del client.headers["Authorization"]
    accept = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}

    answer = await client.get(PATH, headers=accept)

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    page = _Page(answer.text)
    loading = ("src", "href", "action", "style")
    assert not [one for _, one in page.tags if set(loading) & set(one)]
    assert not [name for _, one in page.tags for name in one if name.startswith("on")]
    labelled = {one["for"] for one in page.all("label")}
    assert labelled == {one["id"] for one in page.all("input", "textarea")}
    for name in schema()._schema.type_map:
        assert name.startswith("__") or f" {name}</summary>" in answer.text or name in _STANDARD


_STANDARD = {"String", "Boolean", "Int", "Float", "ID"}


async def test_programs_get_no_page(client: Client) -> None:
    answer = await client.get(PATH, headers={"Accept": "application/json"})

    assert (answer.status_code, answer.json()["code"]) == (406, "not-acceptable")


def test_what_the_page_begins_with_can_be_asked() -> None:
    (written,) = re.findall(
        r"<textarea id=\"query\"[^>]*>\n(.*?)</textarea>", explorer_page(), re.S
    )

    assert Operation(written).cost.total == 6
