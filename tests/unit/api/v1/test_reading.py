"""Feed, search, projections: what is asked of whom, and how it is answered."""

import json
from uuid import UUID

import pytest

from aigestion.commands.conversation.post_interaction import Chat, PostInteraction
from aigestion.projections.standing import Standing
from aigestion.queries import feed
from aigestion.readstores.parked import ParkedKey
from aigestion.readstores.port import View
from tests.support.api_fakes import NOW, OPERATOR_TOKEN, VIEW, World
from tests.unit.api.conftest import Client

PARKED = ParkedKey(
    key="demo/conversation:0a0a0a0a-0000-7000-8000-000000000000",
    tenant="demo",
    events=3,
    position=7,
    type="user.chat",
    error="broken",
    since=NOW,
)
OPERATOR = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}


async def say(world: World, conversation: str, *texts: str) -> None:
    await world.happen(
        *(PostInteraction(conversation_id=UUID(conversation), what=Chat(t)) for t in texts)
    )


async def test_the_feed_pages_through_the_log(
    world: World, client: Client, conversation: str
) -> None:
    await say(world, conversation, "a", "b", "c")

    seen, after = [], 0
    while items := (answer := await client.get(f"/v1/events?limit=2&after={after}")).json()[
        "items"
    ]:
        seen += [item["position"] for item in items]
        after = answer.json()["next_after"]

    assert seen == [1, 2, 3, 4]
    assert after == 4
    assert answer.headers["aigestion-position"] == "4"


async def test_an_event_shows_its_envelope_and_its_data(
    world: World, client: Client, conversation: str
) -> None:
    await say(world, conversation, "Hello")

    (event,) = (await client.get("/v1/events?type=user.chat")).json()["items"]

    assert (event["position"], event["type"], event["tenant"]) == (2, "user.chat", "demo")
    assert event["tags"] == [f"conversation:{conversation}", "user:ana"]
    assert event["data"]["text"] == "Hello"


async def test_the_feed_is_filtered_by_types_and_tag(
    world: World, client: Client, conversation: str
) -> None:
    await say(world, conversation, "a")
    both = "type=user.chat&type=conversation.started"

    assert len((await client.get(f"/v1/events?{both}")).json()["items"]) == 2
    by_tag = await client.get(f"/v1/events?tag=conversation:{conversation}&type=user.chat")
    assert [item["position"] for item in by_tag.json()["items"]] == [2]
    assert (await client.get("/v1/events?tag=user:bob")).json()["items"] == []


async def test_the_feed_need_not_look_twice_at_what_does_not_match(
    world: World, client: Client, conversation: str
) -> None:
    await say(world, conversation, "a", "b")

    some = (await client.get("/v1/events?type=conversation.started")).json()
    full = (await client.get("/v1/events?type=conversation.started&limit=1")).json()

    assert (some["next_after"], full["next_after"]) == (3, 1)


async def test_the_feed_shows_nothing_of_another_tenant(
    world: World, client: Client, conversation: str
) -> None:
    other = {"Authorization": f"Bearer {world.keys.issue('other').key}"}

    assert (await client.get("/v1/events", headers=other)).json() == {"items": [], "next_after": 1}
    by_tag = await client.get(f"/v1/events?tag=conversation:{conversation}", headers=other)
    assert by_tag.json()["items"] == []


async def test_a_position_nobody_has_written_is_behind(client: Client) -> None:
    answer = await client.get("/v1/events?min_position=5")

    assert (answer.status_code, answer.json()["code"]) == (503, "view-behind")


async def test_search_passes_on_what_was_asked(world: World, client: Client) -> None:
    conversation = "0a0a0a0a-0000-7000-8000-000000000000"

    answer = await client.get(
        f"/v1/search?q=dense+position&kind=message&conversation_id={conversation}&limit=3&min_position=0"
    )

    assert answer.status_code == 200
    assert world.search.asked == [
        (
            "demo",
            "dense position",
            {
                "kind": "message",
                "conversation_id": UUID(conversation),
                "limit": 3,
                "cursor": None,
                "min_position": 0,
            },
        )
    ]


async def test_projections_tell_position_and_lag(
    world: World, client: Client, conversation: str
) -> None:
    answer = await client.get("/v1/projections")

    assert answer.json()["items"] == [
        {
            "name": "conversations",
            "view": "conversations_v1_g1",
            "position": 0,
            "lag": 1,
            "state": "running",
            "error": None,
            "error_position": None,
            "parked_events": 0,
            "parked_keys": 0,
            "parked_first": None,
            "building": None,
            "retired": None,
            "newer": None,
        }
    ]
    assert answer.headers["aigestion-position"] == "1"


async def test_what_waits_in_quarantine_is_counted_for_all_and_named_for_the_operator(
    world: World, client: Client
) -> None:
    world.progress.advance(VIEW, 9, {PARKED.key: PARKED})

    shown = (await client.get("/v1/projections")).json()["items"][0]
    whole = (await client.get("/v1/projections", headers=OPERATOR)).json()["items"][0]

    assert (shown["parked_events"], shown["parked_keys"], shown["parked_first"]) == (3, 1, None)
    assert (whole["parked_first"]["key"], whole["parked_first"]["position"]) == (PARKED.key, 7)
    assert "tenant" not in whole["parked_first"]


async def test_parked_keys_are_the_operators(world: World, client: Client) -> None:
    world.progress.advance(VIEW, 9, {PARKED.key: PARKED})
    path = "/v1/projections/conversations/parked"

    refused = await client.get(path)
    answer = await client.get(path, headers=OPERATOR)
    unknown = await client.get("/v1/projections/nonsense/parked", headers=OPERATOR)

    assert (refused.status_code, unknown.status_code) == (403, 404)
    assert answer.json()["items"] == [
        {
            "key": PARKED.key,
            "events": 3,
            "position": 7,
            "type": "user.chat",
            "error": "broken",
            "since": "2026-11-23T12:00:00Z",
            "redrive": False,
            "tried_at": None,
        }
    ]


async def test_a_redrive_is_of_one_key_or_of_all(world: World, client: Client) -> None:
    path = "/v1/projections/conversations/redrive"

    refused = await client.post(path)
    everything = await client.post(path, headers=OPERATOR)
    one = await client.post(path, params={"key": PARKED.key}, headers=OPERATOR)

    assert refused.status_code == 403
    assert world.redriven == [("conversations", None), ("conversations", PARKED.key)]
    for answer in (everything, one):
        last = json.loads(answer.text.splitlines()[-1])
        assert last["done"]
        assert last["result"]["parked"] == 0


async def test_a_stale_answer_says_so_in_header_and_body(world: World, client: Client) -> None:
    world.search.stale = world.reports.stale = True

    found = await client.get("/v1/search?q=dense")
    usage = await client.get("/v1/analytics/usage")
    documents = await client.get("/v1/documents")

    for answer in (found, usage):
        assert answer.headers["aigestion-stale"] == "true"
        assert answer.json()["stale"] is True
    assert "aigestion-stale" not in documents.headers
    assert documents.json()["stale"] is False


async def test_projections_tell_what_is_being_built_and_what_there_is_to_go_back_to(
    world: World, client: Client
) -> None:
    built, former = View("conversations", 1, 3), View("conversations", 1, 1)
    world.progress.registered("conversations", Standing(building=built, retired=former))
    world.progress.building("conversations", 7, "comparing")

    [item] = (await client.get("/v1/projections")).json()["items"]

    assert item["building"] == {
        "view": "conversations_v1_g3",
        "stage": "comparing",
        "position": 7,
        "events_per_second": 0.0,
    }
    assert item["retired"] == "conversations_v1_g1"


async def test_a_rebuild_tells_how_far_it_is(client: Client) -> None:
    answer = await client.post("/v1/projections/conversations/rebuild", headers=OPERATOR)

    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    assert [line["position"] for line in lines] == sorted(line["position"] for line in lines)
    assert [line.get("done", False) for line in lines] == [False] * (len(lines) - 1) + [True]
    assert len(lines) > 1
    assert lines[-1]["result"]["view"]["generation"] == 1


async def test_the_operator_goes_back_to_the_former_view(client: Client) -> None:
    answer = await client.post("/v1/projections/conversations/rollback", headers=OPERATOR)
    nothing = await client.post("/v1/projections/runs/rollback", headers=OPERATOR)
    nobody = await client.post("/v1/projections/conversations/rollback")

    last = json.loads(answer.text.splitlines()[-1])
    assert (last["done"], last["position"], last["result"]["left"]) == (True, 3, None)
    assert (nothing.status_code, nothing.json()["code"]) == (409, "refused")
    assert nobody.status_code in (401, 403)


async def test_an_unknown_projection_is_an_ordinary_problem(client: Client) -> None:
    answer = await client.post("/v1/projections/nonsense/rebuild", headers=OPERATOR)

    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


async def test_what_goes_wrong_on_the_way_is_the_last_line(client: Client) -> None:
    answer = await client.post("/v1/projections/conversations/verify", headers=OPERATOR)

    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert answer.status_code == 200
    assert lines[0]["position"] == 0
    assert (lines[-1]["status"], lines[-1]["code"]) == (500, "internal-error")


async def test_feed_and_stream_say_so_if_the_log_is_not_that_far(
    client: Client, conversation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "WAIT_SECONDS_MAX", 0.05)

    for path in ("/v1/events", f"/v1/conversations/{conversation}/stream"):
        answer = await client.get(path, params={"min_position": 99})

        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "1"
        assert (answer.json()["code"], answer.json()["min_position"]) == ("view-behind", 99)


async def test_work_that_comes_again_with_its_key_is_not_done_again(
    world: World, client: Client
) -> None:
    path, key = "/v1/projections/conversations/redrive", {"Idempotency-Key": "again", **OPERATOR}

    first = await client.post(path, headers=key)
    again = await client.post(path, headers=key)
    another = await client.post(path, params={"key": PARKED.key}, headers=key)

    assert again.status_code == 200
    assert again.text == first.text.splitlines(keepends=True)[-1]
    assert json.loads(again.text)["done"]
    assert world.redriven == [("conversations", None)]
    assert (another.status_code, another.json()["code"]) == (422, "idempotency-key-reused")


async def test_work_that_failed_is_done_again(client: Client) -> None:
    path, key = "/v1/projections/conversations/verify", {"Idempotency-Key": "again", **OPERATOR}

    first, again = [await client.post(path, headers=key) for _ in range(2)]

    assert len(again.text.splitlines()) == len(first.text.splitlines()) > 1
