"""`fields=`: what is named comes, and nothing else; what is not there is told."""

import pytest

from tests.support.api_fakes import World
from tests.unit.api.conftest import Client, fields
from tests.unit.api.v1.test_runs import RUN, RUN_ID


async def test_only_what_is_named_comes(client: Client, conversation: str) -> None:
    whole = (await client.get("/v1/events")).json()
    some = await client.get("/v1/events?fields=items.type,items.data.user_id,next_after")

    assert some.json() == {
        "items": [{"type": "conversation.started", "data": {"user_id": "ana"}}],
        "next_after": whole["next_after"],
    }
    assert some.headers["etag"] != (await client.get("/v1/events")).headers["etag"]


async def test_a_part_that_is_named_whole_comes_whole(client: Client, conversation: str) -> None:
    whole = (await client.get("/v1/events")).json()
    some = (await client.get("/v1/events?fields=items.type,items")).json()

    assert some == {"items": whole["items"]}


async def test_what_may_be_null_has_fields_too(world: World, client: Client) -> None:
    world.runs.runs["demo", RUN_ID] = RUN
    answer = await client.get(f"/v1/runs/{RUN_ID}?fields=state,retrieval.turns,calls.usage")

    assert answer.json() == {"state": "started", "retrieval": None, "calls": []}


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("nonsense", "there are items, next_after"),
        ("items.nonsense", "items.nonsense is no field"),
        ("next_after.deep", "next_after has no fields"),
        ("", "must be names"),
        ("items,,type", "must be names"),
        ("items; DROP", "must be names"),
        ("items&fields=items", "must be names"),
        ("a" * 1_001, "must be names"),
    ],
)
async def test_what_is_not_there_is_told(client: Client, named: str, said: str) -> None:
    answer = await client.get(f"/v1/events?fields={named}")

    assert fields(answer) == ["fields"]
    assert said in answer.json()["errors"][0]["message"]
