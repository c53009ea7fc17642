"""Agents that run elsewhere: registered, heard, and answering over HTTP."""

from typing import Any
from uuid import UUID

import pytest
from litestar import Litestar

from aigestion.commands.conversation.ask_again import AskAgain
from aigestion.commands.conversation.post_interaction import Chat, PostInteraction
from aigestion.commands.conversation.start_conversation import StartConversation
from aigestion.commands.run.cancel_run import CancelRun
from aigestion.commands.run.state import Origin
from aigestion.kernel.ids import derived_id, new_id
from tests.support.api import asking
from tests.support.api_fakes import World
from tests.unit.api.conftest import Client, fields

AGENT = "translator"
REGISTRATION = {"description": "Translates what it is told."}
CALL = {
    "provider": "acme",
    "model": "big-1",
    "usage": {"in": 7, "out": 2},
    "input_tokens": 7,
    "output_tokens": 2,
    "requested_at": "2026-01-02T03:04:05Z",
    "duration_seconds": 0.5,
}


@pytest.fixture
async def said(world: World) -> Any:
    """What a user wrote to the agent."""
    return await chat(world, AGENT)


async def chat(world: World, agent: str, tenant: str = "demo") -> Any:
    started, said = await world.happen(
        StartConversation(conversation_id=(new := new_id()), user_id="ana", agent=agent),
        PostInteraction(conversation_id=new, what=Chat("hola")),
        tenant=tenant,
    )
    assert started.data.conversation_id == said.data.conversation_id
    return said


def path(said: Any, end: str = "reply") -> str:
    return f"/v1/conversations/{said.data.conversation_id}/interactions/{said.id}/{end}"


async def test_an_agent_registers_itself_once(world: World, client: Client) -> None:
    first = await client.post(f"/v1/agents/{AGENT}/register", json=REGISTRATION)
    again = await client.post(f"/v1/agents/{AGENT}/register", json=REGISTRATION)

    assert (first.status_code, first.json()) == (
        200,
        {
            "agent": AGENT,
            "version": 0,
            "description": "Translates what it is told.",
            "hears": ["user.chat", "user.voice"],
        },
    )
    assert again.json() == first.json()
    assert await world.types() == ["agent.registered"]


async def test_a_name_under_which_the_program_answers_is_not_to_be_had(client: Client) -> None:
    answer = await client.post("/v1/agents/assistant/register", json=REGISTRATION)

    assert (answer.status_code, answer.json()["code"]) == (409, "refused")


@pytest.mark.parametrize(
    ("name", "body", "field"),
    [
        ("No", REGISTRATION, "name"),
        (AGENT, {}, "description"),
        (AGENT, {**REGISTRATION, "hears": []}, "hears"),
        (AGENT, {**REGISTRATION, "hears": ["agent.replied"]}, "hears.0"),
    ],
)
async def test_a_bad_registration_is_refused(
    client: Client, name: str, body: Any, field: str
) -> None:
    assert fields(await client.post(f"/v1/agents/{name}/register", json=body)) == [field]


async def test_a_reply_is_a_run_of_its_own(world: World, client: Client, said: Any) -> None:
    answer = await client.post(path(said), json={"text": "hello"})

    run_id = derived_id(said.id, AGENT)
    events = await world.log.read(after=said.position)
    assert (answer.status_code, answer.json()) == (
        201,
        {"run_id": str(run_id), "state": "replied", "position": said.position + 2},
    )
    assert [event.type for event in events] == ["run.started", "agent.replied"]
    reply = events[-1]
    assert (reply.data.text, reply.data.agent, reply.data.in_reply_to) == ("hello", AGENT, said.id)
    assert (reply.actor, reply.causation_id) == (f"agent:{AGENT}", said.id)


async def test_the_model_call_an_agent_tells_of_is_recorded(
    world: World, client: Client, said: Any
) -> None:
    answer = await client.post(path(said), json={"text": "hello", "model_call": CALL})

    _, requested, completed, _ = await world.log.read(after=said.position)
    assert answer.status_code == 201
    assert (requested.data.call_id, requested.data.model) == (completed.data.call_id, "big-1")
    assert completed.data.usage == {"in": 7, "out": 2}
    assert (completed.data.returned_model, completed.data.input_tokens) == ("big-1", 7)


async def test_an_event_is_answered_once(world: World, client: Client, said: Any) -> None:
    key = {"Idempotency-Key": "one"}
    first = await client.post(path(said), json={"text": "hello"}, headers=key)
    again = await client.post(path(said), json={"text": "hello"}, headers=key)
    another = await client.post(path(said), json={"text": "hello"})

    assert (again.status_code, again.json()) == (201, first.json())
    assert (another.status_code, another.json()["code"]) == (409, "run-ended")
    assert (await world.types()).count("agent.replied") == 1


async def test_a_failure_ends_the_run_and_tells_the_user(
    world: World, client: Client, said: Any
) -> None:
    body = {"reason": "no-such-language", "message": "I do not speak that."}
    answer = await client.post(path(said, "failure"), json=body)
    late = await client.post(path(said), json={"text": "hello"})

    *_, failed = await world.log.read()
    assert (answer.status_code, answer.json()["state"]) == (201, "failed")
    assert (failed.data.reason, failed.data.message) == ("no-such-language", "I do not speak that.")
    assert late.status_code == 409


async def test_who_is_asked_again_replies_to_the_first_message(
    world: World, client: Client, said: Any
) -> None:
    await client.post(path(said), json={"text": "hello"})
    (asked,) = await world.happen(
        AskAgain(
            conversation_id=said.data.conversation_id,
            event_id=said.id,
            event_position=said.position,
            kind="chat",
        )
    )

    answer = await client.post(path(asked), json={"text": "hi"})

    *_, reply = await world.log.read()
    assert answer.status_code == 201
    assert (reply.data.text, reply.data.in_reply_to) == ("hi", said.id)
    assert reply.data.run_id == derived_id(asked.id, AGENT)


async def test_a_run_that_was_stopped_ends_as_stopped(
    world: World, client: Client, said: Any
) -> None:
    origin = Origin(said.data.conversation_id, AGENT)
    await world.happen(CancelRun(run_id=derived_id(said.id, AGENT), heard=origin))

    answer = await client.post(path(said), json={"text": "hello"})

    assert (answer.status_code, answer.json()["state"]) == (201, "cancelled")
    assert (await world.types())[-2:] == ["run.started", "run.cancelled"]


async def test_nobody_else_answers_for_the_programs_own_agents(
    world: World, client: Client
) -> None:
    said = await chat(world, "assistant")
    answer = await client.post(path(said), json={"text": "hello"})

    assert (answer.status_code, answer.json()["code"]) == (409, "refused")


async def test_what_is_no_event_of_a_user_here_is_not_found(
    world: World, client: Client, said: Any
) -> None:
    foreign = await chat(world, AGENT, tenant="other")
    elsewhere = await chat(world, AGENT)
    (started, _) = await world.log.read(limit=2)
    wrong = [
        path(foreign),
        f"/v1/conversations/{elsewhere.data.conversation_id}/interactions/{said.id}/reply",
        f"/v1/conversations/{said.data.conversation_id}/interactions/{UUID(int=1)}/reply",
        f"/v1/conversations/{said.data.conversation_id}/interactions/{started.id}/reply",
    ]

    answers = [await client.post(one, json={"text": "hello"}) for one in wrong]

    assert [one.status_code for one in answers] == [404] * 4
    assert "agent.replied" not in await world.types()


@pytest.mark.parametrize(
    ("body", "bad"),
    [
        ({}, ["text"]),
        ({"text": " "}, ["text"]),
        (
            {"text": "a", "model_call": {}},
            ["provider", "model", "requested_at", "duration_seconds"],
        ),
        ({"text": "a", "model_call": {**CALL, "input_tokens": -1}}, ["input_tokens"]),
        (
            {"text": "a", "citations": [{"number": 0}]},
            ["number", "document_id", "passage", "title"],
        ),
    ],
)
async def test_a_bad_reply_names_every_field(
    client: Client, said: Any, body: Any, bad: list[str]
) -> None:
    named = fields(await client.post(path(said), json=body))

    assert [one.rpartition(".")[2] for one in named] == bad


async def test_a_key_must_have_the_scope(world: World, app: Litestar, said: Any) -> None:
    async with asking(app, world.keys.issue("demo", ("read", "write", "admin")).key) as poor:
        answer = await poor.post(path(said), json={"text": "hello"})

    assert (answer.status_code, answer.json()["code"]) == (403, "scope-missing")
