"""The API over a real log and real read models in PostgreSQL."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from aigestion.commands.directory.issue_key import RevokeKey
from tests.support.api import Client, asking
from tests.support.installation import Installation


async def talk(client: Client, *texts: str, agent: str = "assistant") -> tuple[str, int]:
    """A conversation in which this was said; returns its id and the last position."""
    started = (await client.post("/v1/conversations", json={"agent": agent})).json()
    position = started["position"]
    for text in texts:
        path = f"/v1/conversations/{started['conversation_id']}/interactions"
        body = {"type": "user.chat", "payload": {"text": text}}
        position = (await client.post(path, json=body)).json()["position"]
    return started["conversation_id"], position


async def test_what_was_said_is_read_listed_and_found(
    installation: Installation, client: Client
) -> None:
    long_text = "The <b>lighthouse</b> & the sea. " * 1200
    conversation, position = await talk(client, "Tell me of boats", long_text)
    await installation.catch_up()
    at = {"min_position": position}

    transcript = await client.get(f"/v1/conversations/{conversation}", params=at)
    listed = await client.get("/v1/conversations", params=at)
    found = await client.get("/v1/search", params={"q": "lighthouse", **at})

    assert len(long_text.encode()) > 33 * 1024
    assert [message["text"] for message in transcript.json()["messages"]] == [
        "Tell me of boats",
        long_text,
    ]
    assert [item["conversation_id"] for item in listed.json()["items"]] == [conversation]
    (hit,) = found.json()["items"]
    assert "&lt;b&gt;<mark>lighthouse</mark>&lt;/b&gt; &amp;" in hit["highlight"]
    for answer in (transcript, listed, found):
        assert int(answer.headers["aigestion-position"]) >= position


async def test_pages_show_everything_once(installation: Installation, client: Client) -> None:
    started = [(await talk(client, "Hello"))[0] for _ in range(7)]
    await installation.catch_up()

    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await client.get("/v1/conversations", params={"limit": 3, **cursor})).json()
        seen += [item["conversation_id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}

    assert seen == started[::-1]


async def test_a_cursor_of_another_question_is_refused(
    installation: Installation, client: Client
) -> None:
    for _ in range(2):
        await talk(client, "Hello")
    other = {"Authorization": f"Bearer {await installation.tenant('other')}"}
    page = (await client.get("/v1/conversations?limit=1")).json()

    for path, headers in (("/v1/documents", {}), ("/v1/conversations", other)):
        answer = await client.get(path, params={"cursor": page["next_cursor"]}, headers=headers)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "cursor")


async def test_a_tenant_sees_the_same_with_and_without_others(
    installation: Installation, client: Client
) -> None:
    conversation, _ = await talk(client, "Tell me of the lighthouse")
    await client.post("/v1/documents", json={"title": "Sea", "text": "A lighthouse by the sea."})
    await installation.catch_up()
    paths = (
        "/v1/conversations",
        f"/v1/conversations/{conversation}",
        "/v1/documents",
        "/v1/search?q=lighthouse",
        "/v1/events?limit=200",
    )
    before = [_shown(await client.get(path)) for path in paths]

    key = await installation.tenant("other")
    async with asking(installation.app, key) as stranger:
        await talk(stranger, "Their lighthouse, and more of the lighthouse")
        note = {"title": "Sea", "text": "Another lighthouse by another sea.", "source": "sea"}
        await stranger.post("/v1/documents", json=note)
        await installation.catch_up()
        foreign = await stranger.get(f"/v1/conversations/{conversation}")
        unknown = await stranger.get(f"/v1/conversations/{uuid4()}")

    assert [_shown(await client.get(path)) for path in paths] == before
    assert foreign.status_code == unknown.status_code == 404
    assert foreign.content == unknown.content


async def test_a_revoked_key_is_refused(
    installation: Installation, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aigestion.api.auth.KEY_CACHED_SECONDS", 0.0)
    key = client.headers["Authorization"].removeprefix("Bearer ")
    assert (await client.get("/v1/conversations")).status_code == 200

    await installation.world.happen(RevokeKey(key.split("_")[1]))
    await installation.catch_up()

    assert (await client.get("/v1/conversations")).status_code == 401


async def test_a_document_is_added_replaced_and_removed(
    installation: Installation, client: Client
) -> None:
    note = {"title": "Sea", "text": "A lighthouse.", "source": "sea"}
    added = (await client.post("/v1/documents", json=note)).json()
    path = f"/v1/documents/{added['document_id']}"
    await client.post("/v1/documents", json={**note, "text": "A harbour."})
    await installation.catch_up()

    read = await client.get(path)
    assert read.json()["passages"] == ["A harbour."]
    assert (await client.delete(path)).status_code == 204
    await installation.catch_up()
    assert (await client.get(path)).status_code == 404
    assert (await client.get("/v1/search?q=harbour")).json()["items"] == []


async def test_a_request_sent_again_after_a_restart_gets_the_first_answer(
    installation: Installation, client: Client
) -> None:
    key = {"Idempotency-Key": "once"}
    first = await client.post("/v1/conversations", json={"title": "Once"}, headers=key)

    installation.world.dispatcher._states.clear()  # what a restart forgets
    again = await client.post("/v1/conversations", json={"title": "Once"}, headers=key)

    assert first.status_code == 201
    assert again.content == first.content


async def test_a_database_that_is_gone_is_503_and_comes_back(
    installation: Installation, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    conversation, _ = await talk(client, "Hello")
    requests: list[tuple[str, str, Any]] = [
        ("GET", "/v1/conversations", None),
        ("GET", f"/v1/conversations/{conversation}", None),
        ("GET", "/v1/search?q=a", None),
        ("GET", "/v1/documents", None),
        ("GET", "/v1/events", None),
        ("GET", f"/v1/conversations/{conversation}/stream", None),
        ("POST", "/v1/conversations", {}),
        ("POST", "/v1/documents", {"title": "Sea", "text": "Salt."}),
    ]

    installation.network.refusing = True
    installation.network.cut()
    answers = [await client.request(m, path, json=body) for m, path, body in requests]
    installation.network.refusing = False
    await asyncio.sleep(1)  # the appender connects again
    again = [await client.request(m, path, json=body) for m, path, body in requests if m == "POST"]

    for request, answer in zip(requests, answers, strict=True):
        assert (answer.status_code, answer.json()["code"]) == (503, "engine-unavailable"), request
        assert int(answer.headers["retry-after"]) >= 1
    assert [answer.status_code for answer in again] == [201, 201]
    ours = [record for record in caplog.records if record.name.startswith("aigestion")]
    assert [record for record in ours if record.exc_info] == []


def _shown(answer: Any) -> tuple[int, Any]:
    """What a tenant can tell; positions of the log grow with everybody's events."""
    content = answer.json()
    content.pop("next_after", None)
    return answer.status_code, content
