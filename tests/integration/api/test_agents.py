"""Agents over HTTP: versions, ways back, and conversations that hold on to one."""

from typing import Any

import httpx2
import pytest

from tests.support.api import Client, asking
from tests.support.installation import Installation

AGENT = "/v1/agents/assistant"


def definition(instructions: str, **more: Any) -> dict[str, Any]:
    return {"description": "Ours.", "instructions": instructions, **more}


def version(answer: httpx2.Response) -> int:
    assert answer.status_code == 200, answer.text
    number: int = answer.json()["version"]
    return number


async def test_an_agent_is_defined_changed_and_brought_back(
    installation: Installation, client: Client
) -> None:
    own = (await client.get(AGENT)).json()
    assert own["version"] == 0

    first = await client.put(AGENT, json=definition("Be short.", hears=["user.action"]))
    again = await client.put(AGENT, json=definition("Be short.", hears=["user.action"]))
    second = await client.put(
        AGENT, json=definition("Be long.", model="openai/big", limits={"passages_max": 2})
    )
    back = await client.post(f"{AGENT}/rollback", json={"version": 1})
    way_back = await client.post(f"{AGENT}/rollback", json={"version": 0})

    assert [version(one) for one in (first, again, second, back, way_back)] == [1, 1, 2, 3, 4]
    assert second.json()["limits"]["passages_max"] == 2
    assert back.json()["instructions"] == "Be short."
    assert back.json()["rolled_back_to"] == 1
    now = (await client.get(AGENT)).json()
    assert (now["version"], now["instructions"]) == (4, own["instructions"])
    assert now["defined_by"].startswith("key:")


async def test_versions_are_paged_newest_first(client: Client) -> None:
    for n in range(3):
        await client.put(AGENT, json=definition(f"Number {n}."))

    seen, cursor = [], {}
    while True:
        page = (await client.get(f"{AGENT}/versions", params={"limit": 3, **cursor})).json()
        seen += [one["version"] for one in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}

    assert seen == [3, 2, 1, 0]


async def test_who_has_not_seen_the_latest_version_changes_nothing(client: Client) -> None:
    await client.put(AGENT, json=definition("One."), headers={"If-Match": "0"})

    late = await client.put(AGENT, json=definition("Two."), headers={"If-Match": '"0"'})
    late_back = await client.post(
        f"{AGENT}/rollback", json={"version": 0}, headers={"If-Match": "7"}
    )
    bad = await client.put(AGENT, json=definition("Two."), headers={"If-Match": "latest"})
    seen = await client.get(AGENT)
    fresh = await client.put(
        AGENT, json=definition("Two."), headers={"If-Match": seen.headers["etag"]}
    )

    for answer in (late, late_back):
        assert (answer.status_code, answer.json()["code"]) == (412, "version-moved")
        assert answer.json()["version"] == 1
    assert (bad.status_code, bad.json()["errors"][0]["field"]) == (400, "If-Match")
    assert version(fresh) == 2


async def test_all_faults_are_told_at_once(client: Client) -> None:
    wanted = definition("{{weather}}", model="none/such", hears=["user.chat", "user.cry"])

    answer = await client.put(AGENT, json=wanted)

    assert (answer.status_code, answer.json()["code"]) == (422, "unusable")
    faults = answer.json()["errors"]
    assert [one["pointer"] for one in faults] == ["#/model", "#/instructions", "#/hears/1"]


@pytest.mark.parametrize(
    ("body", "bad"),
    [
        ({}, {"description", "instructions"}),
        (definition(" ", hears=[], extra=1), {"instructions", "hears", "extra"}),
        (
            definition("x", limits={"passages_max": -1, "tokens": 1}),
            {"limits.passages_max", "limits.tokens"},
        ),
        (definition("x", documents=["nonsense"]), {"documents.0"}),
    ],
)
async def test_a_bad_definition_is_refused_with_every_field(
    client: Client, body: dict[str, Any], bad: set[str]
) -> None:
    answer = await client.put(AGENT, json=body)

    assert answer.status_code == 400
    assert {error["field"] for error in answer.json()["errors"]} == bad


async def test_agents_are_listed_and_are_their_tenants_own(
    installation: Installation, client: Client
) -> None:
    await client.put("/v1/agents/writer", json=definition("Write."))
    await installation.catch_up()
    async with asking(installation.app, await installation.tenant("other")) as other:
        theirs = [one["agent"] for one in (await other.get("/v1/agents")).json()["items"]]
        foreign = await other.get("/v1/agents/writer")
        back = await other.post("/v1/agents/writer/rollback", json={"version": 1})
        started = await other.post("/v1/conversations", json={"agent": "writer"})
        none = await other.get("/v1/agents/nobody")

    ours = (await client.get("/v1/agents")).json()["items"]
    assert [(one["agent"], one["version"]) for one in ours] == [("assistant", 0), ("writer", 1)]
    assert theirs == ["assistant"]
    assert foreign.status_code == back.status_code == none.status_code == 404
    assert foreign.content == back.content == none.content
    assert started.status_code == 400


async def test_a_conversation_names_a_version_that_there_is(client: Client) -> None:
    await client.put("/v1/agents/writer", json=definition("Write."))

    answers = [
        await client.post("/v1/conversations", json={"agent": agent, "agent_version": number})
        for agent, number in (
            ("writer", 1),
            ("writer", 2),
            ("writer", 0),
            ("assistant", 0),
            ("assistant", 1),
        )
    ]

    assert [answer.status_code for answer in answers] == [201, 400, 400, 201, 400]
    events = (await client.get("/v1/events?type=conversation.started")).json()["items"]
    assert [one["data"]["agent_version"] for one in events] == [1, 0]


@pytest.mark.parametrize("name", ["Writer", "a b", "a" * 64, "ñ"])
async def test_a_bad_name_is_a_bad_field_or_nobody(client: Client, name: str) -> None:
    put = await client.put(f"/v1/agents/{name}", json=definition("x"))
    got = await client.get(f"/v1/agents/{name}")

    assert (put.status_code, put.json()["errors"][0]["field"]) == (400, "name")
    assert got.status_code == 404
