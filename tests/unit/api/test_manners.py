"""What answers say besides their body: who may keep them, what comes next, whose scripts may read them."""

import httpx2
import pytest
from litestar import Litestar

from aigestion.api.app import create_app
from aigestion.api.conditional import entity_tag, has_it, next_link
from aigestion.kernel.ids import new_id
from aigestion.queries.conversations import ConversationSummary
from tests.support.api import asking
from tests.support.api_fakes import NOW, OPERATOR_TOKEN, World
from tests.unit.api.conftest import Client

EVENTS = "/v1/events"
PAGE = "https://app.example"


async def test_who_has_the_answer_already_gets_no_body(client: Client, conversation: str) -> None:
    first = await client.get(EVENTS)

    again = await client.get(EVENTS, headers={"If-None-Match": first.headers["etag"]})

    assert first.status_code == 200
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert again.headers["aigestion-position"] == first.headers["aigestion-position"] == "1"
    assert "content-type" not in again.headers


async def test_another_answer_has_another_tag(
    world: World, client: Client, conversation: str
) -> None:
    first = await client.get(EVENTS)
    await client.post(
        f"/v1/conversations/{conversation}/interactions",
        json={"type": "user.chat", "payload": {"text": "Hi"}},
    )

    changed = await client.get(EVENTS, headers={"If-None-Match": first.headers["etag"]})

    assert changed.status_code == 200
    assert changed.headers["etag"] != first.headers["etag"]


async def test_what_a_tenant_reads_is_kept_by_nobody_but_its_caller(
    client: Client, conversation: str
) -> None:
    read = await client.get(EVENTS)
    written = await client.post("/v1/conversations", json={})
    refused = await client.get(f"{EVENTS}?limit=0")

    assert read.headers["cache-control"] == "private, no-cache"
    assert read.headers["vary"] == "authorization, accept"
    assert written.headers["cache-control"] == refused.headers["cache-control"] == "no-store"
    assert "etag" not in written.headers
    assert "etag" not in refused.headers


@pytest.mark.parametrize(
    ("if_none_match", "expected"),
    [
        ('W/"a"', True),
        ('"a"', True),
        ('W/"b", "a"', True),
        ("*", True),
        ('"b"', False),
        ("a", False),
        ("", False),
        (None, False),
    ],
)
def test_tags_are_compared_weakly(if_none_match: str | None, expected: bool) -> None:
    assert has_it(if_none_match, b'W/"a"') is expected


def test_equal_bodies_have_equal_tags() -> None:
    assert entity_tag(b"{}") == entity_tag(b"{}") != entity_tag(b"[]")


def test_a_page_links_to_the_one_behind_it() -> None:
    scope = {"path": "/v1/search", "query_string": b"q=a%20%26%20b&cursor=old&limit=2"}

    assert next_link(scope, "a-_=") == (
        b"link",
        b'</v1/search?q=a+%26+b&limit=2&cursor=a-_%3D>; rel="next"',
    )


async def test_only_a_page_with_another_behind_it_links(world: World, client: Client) -> None:
    one = ConversationSummary(
        conversation_id=new_id(), user_id="ana", agent="assistant", title=None, archived=False,
        messages=1,
        last_at=NOW, started_at=NOW, position=1,
    )  # fmt: skip
    world.conversations.summaries = [one, one]

    first = await client.get("/v1/conversations?limit=1")
    last = await client.get("/v1/conversations?limit=2")

    cursor = first.json()["next_cursor"]
    assert first.links["next"]["url"] == f"/v1/conversations?limit=1&cursor={cursor}"
    assert last.json()["next_cursor"] is None
    assert "link" not in last.headers


@pytest.mark.parametrize("header", ["Request-Id", "X-Request-Id"])
async def test_a_request_keeps_the_id_it_came_with(client: Client, header: str) -> None:
    answer = await client.get(EVENTS, headers={header: "edge-7f:3.a_B"})

    assert answer.headers["request-id"] == "edge-7f:3.a_B"


@pytest.mark.parametrize("bad", ["", "a b", "x" * 65, 'a"b', "a\u00e9"])
async def test_an_id_that_could_do_harm_in_a_log_is_replaced(client: Client, bad: str) -> None:
    answer = await client.get(EVENTS, headers={b"Request-Id": bad.encode("latin-1")})  # type: ignore[dict-item]

    assert len(answer.headers["request-id"]) == 32


async def _asked_from(
    world: World, origin: str, *origins: str
) -> tuple[httpx2.Response, httpx2.Response]:
    """The browser's question before the request, and the request."""
    async with asking(create_app(world.doors, cors_origins=origins), world.demo.key) as client:
        before = await client.options(
            EVENTS,
            headers={
                "Origin": origin,
                "Access-Control-Request-Method": "GET",
                "Access-Control-Request-Headers": "authorization, idempotency-key",
            },
        )
        return before, await client.get(EVENTS, headers={"Origin": origin})


async def test_scripts_of_a_page_that_is_named_may_call(world: World) -> None:
    before, answer = await _asked_from(world, PAGE, PAGE)

    assert before.status_code == 204
    assert before.headers["access-control-allow-origin"] == PAGE
    assert "authorization" in before.headers["access-control-allow-headers"].lower()
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert "aigestion-position" in answer.headers["access-control-expose-headers"].lower()
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("origins", [(), (PAGE,)])
async def test_scripts_of_other_pages_may_not(world: World, origins: tuple[str, ...]) -> None:
    before, answer = await _asked_from(world, "https://evil.example", *origins)

    assert "access-control-allow-origin" not in before.headers
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/v1/conversations", "GET, OPTIONS, POST"),
        ("/v1/documents/0a0a0a0a-0000-7000-8000-000000000000", "DELETE, GET, OPTIONS"),
        ("/v1/search", "GET, OPTIONS"),
    ],
)
async def test_options_name_every_method_of_a_path(client: Client, path: str, methods: str) -> None:
    asked = await client.options(path)

    assert asked.status_code == 204
    assert asked.headers.get_list("allow") == [methods]


@pytest.mark.parametrize(
    ("accepted", "used"),
    [("br, gzip", "br"), ("gzip", "gzip"), ("identity", None), ("", None)],
)
async def test_a_large_answer_is_compressed_for_who_takes_it(
    client: Client, accepted: str, used: str | None
) -> None:
    plain = await client.get("/schema/openapi.json", headers={"Accept-Encoding": "identity"})

    answer = await client.get("/schema/openapi.json", headers={"Accept-Encoding": accepted})

    assert answer.headers.get("content-encoding") == used
    assert answer.content == plain.content
    if used:
        assert int(answer.headers["content-length"]) < len(plain.content) / 5
        assert "accept-encoding" in answer.headers["vary"].lower()


async def test_a_small_answer_stays_as_it_is(client: Client, conversation: str) -> None:
    answer = await client.get(EVENTS, headers={"Accept-Encoding": "br, gzip"})

    assert len(answer.content) < 1_024
    assert "content-encoding" not in answer.headers


async def test_a_tag_is_the_same_however_an_answer_is_encoded(
    world: World, client: Client, conversation: str
) -> None:
    for _ in range(5):
        await client.post(
            f"/v1/conversations/{conversation}/interactions",
            json={"type": "user.chat", "payload": {"text": "Hi"}},
        )
    compressed = await client.get(EVENTS, headers={"Accept-Encoding": "br"})
    again = await client.get(
        EVENTS,
        headers={"Accept-Encoding": "identity", "If-None-Match": compressed.headers["etag"]},
    )

    assert compressed.headers["content-encoding"] == "br"
    assert compressed.headers["vary"].lower() == "authorization, accept,accept-encoding"
    assert again.status_code == 304


async def test_pieces_of_a_stream_are_not_kept_back(world: World, app: Litestar) -> None:
    async with asking(app, OPERATOR_TOKEN) as operator:
        answer = await operator.post(
            "/v1/projections/conversations/verify", headers={"Accept-Encoding": "br, gzip"}
        )

    assert answer.headers["content-type"] == "application/x-ndjson"
    assert "content-encoding" not in answer.headers
