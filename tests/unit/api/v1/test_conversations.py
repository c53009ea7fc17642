"""Conversations and interactions: parsed, dispatched, answered."""

from datetime import UTC, datetime
from typing import Any

import pytest

from aigestion.api.answers import IDEMPOTENCY_KEY_CHARS_MAX
from aigestion.events.conversation import UserAction, UserChat, UserVoice
from aigestion.queries.conversations import ConversationFilter, Transcript
from tests.support.api_fakes import NOW, VIEW, World
from tests.unit.api.conftest import Client, fields

PATH = "/v1/conversations"


async def test_a_conversation_is_started(world: World, client: Client) -> None:
    answer = await client.post(PATH, json={"title": "Hello", "agent": "assistant"})

    (started,) = await world.log.read()
    assert answer.status_code == 201
    assert answer.json() == {"conversation_id": str(started.data.conversation_id), "position": 1}
    assert answer.headers["aigestion-position"] == "1"
    assert (started.tenant, started.data.title, started.data.agent) == (
        "demo",
        "Hello",
        "assistant",
    )


async def test_title_and_agent_may_be_left_out(world: World, client: Client) -> None:
    assert (await client.post(PATH, json={})).status_code == 201

    (started,) = await world.log.read()
    assert (started.data.title, started.data.agent) == (None, "assistant")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"title": ""}, "title"),
        ({"title": "x" * 201}, "title"),
        ({"title": 1}, "title"),
        ({"agent": "nobody-here"}, "agent"),
        ({"agent": "No Slug"}, "agent"),
        ({"agent": "a" * 64}, "agent"),
        ([], ""),
    ],
)
async def test_a_bad_start_is_refused(world: World, client: Client, body: Any, field: str) -> None:
    assert fields(await client.post(PATH, json=body)) == [field]
    assert await world.log.head() == 0


async def test_no_body_is_a_bad_body(client: Client) -> None:
    assert fields(await client.post(PATH)) == [""]


@pytest.mark.parametrize(
    "content_type", ["", "text/plain", "application/x-www-form-urlencoded", "application/xml"]
)
async def test_another_content_type_is_415(client: Client, content_type: str) -> None:
    answer = await client.post(PATH, content=b"{}", headers={"Content-Type": content_type})

    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported-media-type")


async def test_json_with_a_charset_is_json(client: Client) -> None:
    headers = {"Content-Type": "application/json; charset=utf-8"}

    assert (await client.post(PATH, content=b"{}", headers=headers)).status_code == 201


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"type": "user.chat", "payload": {"text": "Hi"}}, {"text": "Hi"}),
        (
            {"type": "user.voice",
             "payload": {"transcript": "Hola", "language": "es", "duration_seconds": 2}},
            {"transcript": "Hola", "language": "es", "duration_seconds": 2},
        ),
        (
            {"type": "user.action", "payload": {"name": "click", "properties": {"a": [1, None, "b"]}}},
            {"name": "click", "properties": {"a": [1, None, "b"]}},
        ),
    ],
)  # fmt: skip
async def test_interactions_of_each_type_are_recorded(
    world: World, client: Client, conversation: str, body: Any, expected: dict[str, Any]
) -> None:
    answer = await client.post(f"{PATH}/{conversation}/interactions", json=body)

    posted = (await world.log.read())[-1]
    assert answer.status_code == 202
    assert answer.json() == {"event_id": str(posted.id), "position": 2}
    assert answer.headers["aigestion-position"] == "2"
    assert isinstance(posted.data, UserChat | UserVoice | UserAction)
    assert {name: getattr(posted.data, name) for name in expected} == expected
    assert posted.data.user_id == "ana"


async def test_a_text_of_33_kib_comes_back_equal(
    world: World, client: Client, conversation: str
) -> None:
    text = "Ünïcödé 😀 " * 2600
    assert len(text.encode()) > 33 * 1024

    body = {"type": "user.chat", "payload": {"text": text}}
    posted = await client.post(f"{PATH}/{conversation}/interactions", json=body)
    feed = await client.get("/v1/events?type=user.chat")

    assert posted.status_code == 202
    assert [event["data"]["text"] for event in feed.json()["items"]] == [text]


async def test_a_request_sent_again_gets_the_first_answer_again(
    world: World, client: Client, conversation: str
) -> None:
    chat = {"type": "user.chat", "payload": {"text": "Once"}}
    for path, body in ((PATH, {"title": "Once"}), (f"{PATH}/{conversation}/interactions", chat)):
        key = {"Idempotency-Key": f"key of {path}"}
        before = await world.log.head()

        first = await client.post(path, json=body, headers=key)
        again = await client.post(path, json=body, headers=key)

        assert first.status_code == again.status_code
        assert first.content == again.content
        assert first.headers["aigestion-position"] == again.headers["aigestion-position"]
        assert await world.log.head() == before + 1


async def test_the_same_key_with_another_body_is_refused(
    world: World, client: Client, conversation: str
) -> None:
    key = {"Idempotency-Key": "one"}
    path = f"{PATH}/{conversation}/interactions"
    await client.post(PATH, json={}, headers=key)

    other_body = await client.post(PATH, json={"title": "Other"}, headers=key)
    other_route = await client.post(
        path, json={"type": "user.chat", "payload": {"text": "a"}}, headers=key
    )

    same_body = await client.post(path, json={}, headers={"Idempotency-Key": "one"})

    assert same_body.status_code == 400, "against the schema, whatever its key"
    for refused in (other_body, other_route):
        assert (refused.status_code, refused.json()["code"]) == (422, "idempotency-key-reused")
    assert await world.log.head() == 2


async def test_the_same_key_and_body_for_another_conversation_is_refused(
    world: World, client: Client, conversation: str
) -> None:
    key = {"Idempotency-Key": "one"}
    body = {"type": "user.chat", "payload": {"text": "Once"}}
    other = (await client.post(PATH, json={})).json()["conversation_id"]

    first = await client.post(f"{PATH}/{conversation}/interactions", json=body, headers=key)
    second = await client.post(f"{PATH}/{other}/interactions", json=body, headers=key)

    assert first.status_code == 202
    assert (second.status_code, second.json()["code"]) == (422, "idempotency-key-reused")


async def test_idempotency_keys_belong_to_a_tenant(world: World, client: Client) -> None:
    other = {"Authorization": f"Bearer {world.keys.issue('other').key}"}
    key = {"Idempotency-Key": "one"}

    mine = await client.post(PATH, json={}, headers=key)
    theirs = await client.post(PATH, json={"title": "Other"}, headers={**key, **other})

    assert mine.status_code == theirs.status_code == 201
    assert mine.json()["conversation_id"] != theirs.json()["conversation_id"]


@pytest.mark.parametrize("key", ["", "x" * (IDEMPOTENCY_KEY_CHARS_MAX + 1), "clé", "tab\tbed"])
async def test_a_bad_idempotency_key_is_named(client: Client, key: str) -> None:
    headers = {"Idempotency-Key": key.encode("latin-1")}

    answer = await client.post(PATH, json={}, headers=headers)

    assert fields(answer) == ["Idempotency-Key"]


async def test_a_query_waits_for_its_position_and_says_what_it_reflects(
    world: World, client: Client, conversation: str
) -> None:
    behind = await client.get(f"{PATH}?min_position=1")
    world.progress.advance(VIEW, 1)
    there = await client.get(f"{PATH}?min_position=1")

    assert (behind.status_code, behind.json()["code"]) == (503, "view-behind")
    assert behind.headers["retry-after"] == "1"
    assert behind.json()["min_position"] == 1
    assert there.status_code == 200
    assert there.headers["aigestion-position"] == "1"
    assert there.json() == {"items": [], "next_cursor": None, "stale": False}
    assert "aigestion-stale" not in there.headers


async def test_a_transcript_is_read(world: World, client: Client, conversation: str) -> None:
    (started,) = await world.log.read()
    conversation_id = started.data.conversation_id
    world.conversations.transcripts["demo", conversation_id] = Transcript(
        conversation_id=conversation_id,
        title=None,
        agent="assistant",
        user_id="ana",
        started_at=NOW,
        archived=False,
        messages=[],
    )

    answer = await client.get(f"{PATH}/{conversation}")

    assert answer.status_code == 200
    assert answer.json()["conversation_id"] == conversation
    assert answer.json()["messages"] == []


async def test_a_conversation_is_renamed_and_archived(
    world: World, client: Client, conversation: str
) -> None:
    path = f"{PATH}/{conversation}"

    renamed = await client.patch(path, json={"title": "Boats"})
    archived = await client.patch(path, json={"archived": True})
    again = await client.patch(path, json={"title": "Boats", "archived": True})
    refused = await client.post(
        f"{path}/interactions", json={"type": "user.chat", "payload": {"text": "Hello"}}
    )
    back = await client.patch(path, json={"archived": False, "title": None})

    assert (renamed.status_code, renamed.json()) == (
        200,
        {"conversation_id": conversation, "position": 2},
    )
    assert archived.headers["aigestion-position"] == again.headers["aigestion-position"] == "3"
    assert (refused.status_code, refused.json()["code"]) == (409, "conversation-archived")
    assert back.json()["position"] == 4
    assert await world.types() == [
        "conversation.started",
        "conversation.renamed",
        "conversation.archived",
        "conversation.unarchived",
    ]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, ""),
        ({"title": None}, ""),
        ({"title": " "}, "title"),
        ({"title": "x" * 201}, "title"),
        ({"archived": "yes"}, "archived"),
        ({"agent": "assistant"}, "agent"),
    ],
)
async def test_a_bad_change_is_refused(
    world: World, client: Client, conversation: str, body: Any, field: str
) -> None:
    assert fields(await client.patch(f"{PATH}/{conversation}", json=body)) == [field]
    assert await world.log.head() == 1


async def test_another_tenants_conversation_is_not_changed(
    world: World, client: Client, conversation: str
) -> None:
    other = {"Authorization": f"Bearer {world.keys.issue('acme').key}"}

    answer = await client.patch(f"{PATH}/{conversation}", json={"archived": True}, headers=other)

    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
    assert await world.log.head() == 1


async def test_the_list_is_asked_for_with_every_filter(world: World, client: Client) -> None:
    await client.get(PATH)
    await client.get(f"{PATH}?state=archived&agent=clerk&user_id=ana&from=2026-01-01&to=2026-01-02")
    await client.get(f"{PATH}?state=active")

    assert world.conversations.asked == [
        ConversationFilter(),
        ConversationFilter(
            archived=True,
            agent="clerk",
            user_id="ana",
            since=datetime(2026, 1, 1, tzinfo=UTC),
            until=datetime(2026, 1, 2, tzinfo=UTC),
        ),
        ConversationFilter(archived=False),
    ]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("state=open", "state"),
        ("agent=", "agent"),
        ("user_id=%00", "user_id"),
        ("from=soon", "from"),
        ("from=2026-01-02&to=2026-01-01", "from"),
    ],
)
async def test_a_bad_filter_is_named(client: Client, query: str, field: str) -> None:
    assert fields(await client.get(f"{PATH}?{query}")) == [field]
