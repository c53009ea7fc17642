"""Feed, search, usage, projections: what is asked of whom, and how it is answered."""

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

from aigestion.commands.conversation.post_interaction import Chat, PostInteraction
from aigestion.projections.standing import Standing
from aigestion.readstores.port import View
from tests.support.api_fakes import NOW, OPERATOR_TOKEN, World
from tests.unit.api.conftest import Client

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
    other = {"Authorization": f"Bearer {world.directory.issue('other').key}"}

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


async def test_usage_takes_moments_with_and_without_offset(world: World, client: Client) -> None:
    await client.get("/v1/analytics/usage?from=2026-01-01&to=2026-01-02T02:00:00%2B02:00&by=hour")
    await client.get("/v1/analytics/usage")

    given, default = (parameters for _, parameters in world.usage.asked)
    assert given["start"] == datetime(2026, 1, 1, tzinfo=UTC)
    assert given["end"] == datetime(2026, 1, 2, tzinfo=UTC)
    assert given["by"] == "hour"
    assert (default["start"], default["end"]) == (NOW - timedelta(days=30), NOW)
    assert default["by"] == "day"


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
            "building": None,
            "retired": None,
            "newer": None,
        }
    ]
    assert answer.headers["aigestion-position"] == "1"


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
