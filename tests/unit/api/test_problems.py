"""Whatever goes wrong is a problem (RFC 9457) with a stable code, and nothing leaks."""

import logging
from uuid import UUID

import pytest

from aigestion.api.errors import STATUS
from aigestion.kernel.errors import Category, Corrupt, Refused, TooMuchContention, Unavailable
from tests.support.api_fakes import World
from tests.unit.api.conftest import Client, fields

NOWHERE = UUID("0199aa10-0000-7000-8000-00000000dead")
"""An id nobody has."""
SECRET = "postgresql://user:hunter2@db/log"


def test_every_category_has_a_status() -> None:
    assert set(STATUS) == set(Category)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not-found"),
        ("GET", "/v1/nowhere", 404, "not-found"),
        ("GET", "/schema/nowhere", 404, "not-found"),
        ("GET", "/schema/ui/nowhere.js", 404, "not-found"),
        ("GET", "/schema/ui/..%2f__init__.py", 404, "not-found"),
        ("GET", "/v1/conversations/not-an-id", 404, "not-found"),
        ("GET", f"/v1/conversations/{NOWHERE}", 404, "not-found"),
        ("GET", f"/v1/conversations/{NOWHERE}/stream", 404, "not-found"),
        ("GET", f"/v1/documents/{NOWHERE}", 404, "not-found"),
        ("DELETE", f"/v1/documents/{NOWHERE}", 404, "not-found"),
        ("PUT", "/v1/conversations", 405, "method-not-allowed"),
        ("DELETE", "/health/live", 405, "method-not-allowed"),
        ("BREW", "/health/live", 405, "method-not-allowed"),
        ("GET", "/v1/conversations?limit=0", 400, "invalid-input"),
    ],
)
async def test_a_refusal_is_a_problem(
    client: Client, method: str, path: str, status: int, code: str
) -> None:
    answer = await client.request(method, path)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["type"] == f"urn:aigestion:problem:{code}"
    assert (problem["code"], problem["status"]) == (code, status)
    assert problem["title"]
    assert problem["detail"]
    assert len(answer.headers["request-id"]) == 32


async def test_a_refused_method_is_told_which_are_taken(client: Client) -> None:
    answer = await client.put("/v1/conversations")

    assert {"GET", "POST"} <= set(answer.headers["allow"].split(", "))


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (
            Unavailable("ClickHouse does not answer.", engine="clickhouse"),
            503,
            "engine-unavailable",
        ),
        (TooMuchContention("Busy."), 503, "too-much-contention"),
        (Refused("Not like this."), 409, "refused"),
        (ConnectionRefusedError(SECRET), 503, "engine-unavailable"),
        (TimeoutError(SECRET), 503, "engine-unavailable"),
    ],
)
async def test_what_the_system_says_becomes_a_status(
    world: World, client: Client, error: Exception, status: int, code: str
) -> None:
    world.search.error = error

    answer = await client.get("/v1/search?q=a")

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["instance"] == "/v1/search"
    assert ("retry-after" in answer.headers) == (status == 503)
    assert "hunter2" not in answer.text


async def test_details_are_members_of_the_problem(world: World, client: Client) -> None:
    world.search.error = Unavailable("No.", engine="postgres", retry_after_seconds=7)

    answer = await client.get("/v1/search?q=a")

    assert answer.json()["engine"] == "postgres"
    assert answer.headers["retry-after"] == "7"


@pytest.mark.parametrize(
    "error", [RuntimeError(SECRET), Corrupt(SECRET, hint=SECRET), KeyError("x")]
)
async def test_a_fault_shows_a_request_id_and_nothing_else(
    world: World, client: Client, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    world.search.error = error

    with caplog.at_level(logging.ERROR):
        answer = await client.get("/v1/search?q=a")

    assert (answer.status_code, answer.json()["code"]) == (500, "internal-error")
    assert "hunter2" not in answer.text
    assert "Traceback" not in answer.text
    request_id = answer.headers["request-id"]
    assert answer.json()["request_id"] == request_id
    assert [record.request_id for record in caplog.records] == [request_id]  # type: ignore[attr-defined]
    assert caplog.records[0].exc_info is not None
    assert (await client.get("/v1/projections")).status_code == 200


async def test_every_bad_parameter_is_named_as_the_caller_named_it(client: Client) -> None:
    answer = await client.get("/v1/events?after=-1&limit=ten&min_position=1.5&type=user.chat")

    assert fields(answer) == ["after", "limit", "min_position"]


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/conversations?limit=1000000000", "limit"),
        ("/v1/conversations?limit=", "limit"),
        ("/v1/conversations?cursor=nonsense", "cursor"),
        ("/v1/conversations?cursor=" + "x" * 5000, "cursor"),
        ("/v1/conversations?min_position=-1", "min_position"),
        ("/v1/conversations?min_position=99999999999999999999", "min_position"),
        ("/v1/documents?limit=201", "limit"),
        ("/v1/search", "q"),
        ("/v1/search?q=", "q"),
        ("/v1/search?q=%20", "q"),
        ("/v1/search?q=%00", "q"),
        ("/v1/search?q=%ff", "q"),
        ("/v1/search?q=" + "x" * 1001, "q"),
        ("/v1/search?q=a&kind=thought", "kind"),
        ("/v1/search?q=a&conversation_id=1", "conversation_id"),
        ("/v1/events?limit=1001", "limit"),
        ("/v1/events?type=user.dance", "type"),
        ("/v1/events?tag=nonsense", "tag"),
        ("/v1/events?tag=a%00:b", "tag"),
        ("/v1/events?after=1.5", "after"),
        ("/v1/analytics/usage?from=yesterday", "from"),
        ("/v1/analytics/usage?to=2026-13-01", "to"),
        ("/v1/analytics/usage?from=2026-02-01&to=2026-01-01", "from"),
        ("/v1/analytics/usage?to=0001-01-01", "to"),
        ("/v1/analytics/usage?to=9999-12-31", "to"),
        ("/v1/analytics/usage?from=0001-01-01&to=2026-01-01", "from"),
        ("/v1/analytics/usage?filter=agent", "filter"),
        ("/v1/analytics/usage?filter=agent:" + "x" * 300, "filter"),
        ("/v1/analytics/usage?format=xml", "format"),
        ("/v1/analytics/usage?min_position=-1", "min_position"),
    ],
)
async def test_a_bad_parameter_is_named(client: Client, path: str, field: str) -> None:
    assert fields(await client.get(path)) == [field]


async def test_another_tenants_ids_are_answered_like_unknown_ones(
    world: World, client: Client, conversation: str
) -> None:
    stranger = {"Authorization": f"Bearer {world.keys.issue('other').key}"}
    chat = {"type": "user.chat", "payload": {"text": "hello"}}
    unknown = str(NOWHERE)

    for method, path in (
        ("GET", "/v1/conversations/{}"),
        ("GET", "/v1/conversations/{}/stream"),
        ("POST", "/v1/conversations/{}/interactions"),
        ("GET", "/v1/documents/{}"),
        ("DELETE", "/v1/documents/{}"),
    ):
        body = chat if method == "POST" else None
        foreign = await client.request(
            method, path.format(conversation), headers=stranger, json=body
        )
        nobodys = await client.request(method, path.format(unknown), headers=stranger, json=body)

        assert foreign.status_code == nobodys.status_code == 404, path
        assert foreign.content == nobodys.content
        assert _without_id(foreign.headers) == _without_id(nobodys.headers)


def _without_id(headers: object) -> dict[str, str]:
    return {k: v for k, v in dict(headers).items() if k != "request-id"}  # type: ignore[call-overload]
