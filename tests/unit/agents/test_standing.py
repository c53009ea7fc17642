"""Agents as tenants define them: which version answers, with what, and of which documents."""

from typing import Any
from uuid import uuid4

import pytest

from aigestion.commands.conversation.post_interaction import Action, Chat, PostInteraction, Voice
from aigestion.commands.conversation.start_conversation import StartConversation
from aigestion.commands.directory.define_agent import DefineAgent
from aigestion.events.directory import AgentDefined, AgentLimits
from aigestion.llm.scripted import ScriptedModel, says
from tests.unit.agents.conftest import Build
from tests.unit.agents.house import ANA, CONVERSATION, DOCUMENT, House


async def define(house: House, instructions: str, **more: Any) -> None:
    fields: dict[str, Any] = {
        "agent": "assistant",
        "description": "Ours.",
        "model": None,
        "hears": ("user.chat", "user.voice"),
        "documents": None,
        "limits": AgentLimits(),
    }
    wanted = AgentDefined(agent_version=0, instructions=instructions, **fields | more)
    models = ("scripted/one", "other/model")
    await house.deps.dispatcher.dispatch(DefineAgent(wanted=wanted, models=models), ANA)


async def system_of(house: House) -> str:
    """What the last call was told."""
    requested = await house.last("model.requested")
    (system,) = [entry for entry in requested.manifest if entry.startswith("system:")]
    return (await house.blobs.get(system.rpartition(":")[2])).decode()


async def test_a_message_is_answered_by_the_version_that_stood_when_it_was_said(
    build: Build,
) -> None:
    house = build(ScriptedModel(says("Yes."), says("Yes."), says("Yes.")))
    before = await house.say("Zero?")
    await define(house, "First of {{agent}} on {{date}} for {{tenant}}.")
    between = await house.say("One?")
    await define(house, "Second.")
    after = await house.say("Two?")

    told: list[tuple[str, int]] = []
    for position in (after, between, before):
        await house.runner().react(position)
        run = await house.last("run.started")
        told.append((await system_of(house), run.agent_version))

    (heard,) = await house.reader.read(after=between - 1, limit=1)
    assert told[0] == ("Second.", 2)
    assert told[1] == (f"First of assistant on {heard.occurred_at:%Y-%m-%d} for demo.", 1)
    assert told[2] == (house.agents[0].instructions, 0)


@pytest.mark.parametrize(("held", "told"), [(1, "First."), (0, None), (None, "Second.")])
async def test_a_conversation_holds_on_to_its_version(
    build: Build, held: int | None, told: str | None
) -> None:
    house = build(ScriptedModel(says("Yes.")))
    await define(house, "First.")
    start = StartConversation(
        conversation_id=CONVERSATION, user_id="ana", agent="assistant", agent_version=held
    )
    await house.deps.dispatcher.dispatch(start, ANA)
    await define(house, "Second.")

    await house.runner().react(await house.say("Which?"))

    assert await system_of(house) == (told or house.agents[0].instructions)


async def test_an_agent_that_only_a_tenant_defined_answers(build: Build) -> None:
    house = build(ScriptedModel(says("Arr.")))
    await define(house, "Be a pirate.", agent="pirate")
    conversation = uuid4()
    start = StartConversation(conversation_id=conversation, user_id="ana", agent="pirate")
    await house.deps.dispatcher.dispatch(start, ANA)
    post = PostInteraction(conversation_id=conversation, what=Chat("Hello?"))

    await house.runner().react((await house.deps.dispatcher.dispatch(post, ANA)).position)

    assert (await house.last("agent.replied")).agent == "pirate"


async def test_an_action_is_answered_by_who_hears_it_and_passed_over_by_others(
    build: Build,
) -> None:
    house = build(ScriptedModel(says("Done.")))
    await house.say("Hello")
    post = PostInteraction(conversation_id=CONVERSATION, what=Action("buy", {}))

    await house.runner().react((await house.deps.dispatcher.dispatch(post, ANA)).position)
    assert await house.types() == []

    await define(house, "Mind actions.", hears=("user.action",))
    await house.runner().react((await house.deps.dispatcher.dispatch(post, ANA)).position)
    assert (await house.types())[-1] == "agent.replied"


async def test_whoever_speaks_to_an_agent_that_does_not_hear_is_told_so(build: Build) -> None:
    house = build(ScriptedModel())
    await define(house, "Read only.", hears=("user.chat",))
    await house.say("Hello")
    post = PostInteraction(conversation_id=CONVERSATION, what=Voice("Hello?"))
    spoken = (await house.deps.dispatcher.dispatch(post, ANA)).position

    await house.runner().react(spoken)

    assert await house.types() == ["run.started", "run.failed"]
    assert (await house.last("run.failed")).reason == "not-heard"


async def test_the_named_model_is_asked_and_none_in_place_of_a_missing_one(build: Build) -> None:
    usual, named = ScriptedModel(says("Usual.")), ScriptedModel(says("Named."))
    house = build(usual)
    await define(house, "Ask.", model="other/model")

    await house.runner(models={"other/model": named}).react(await house.say("Who?"))
    assert (await house.last("agent.replied")).text == "Named."

    await house.runner().react(await house.say("Who now?"))
    assert (await house.last("run.failed")).reason == "model-unavailable"


async def test_limits_and_documents_are_kept(build: Build) -> None:
    house = build(ScriptedModel(says("Yes."), says("Yes."), says("Yes.")))
    await house.know()

    await define(house, "Quote.", limits=AgentLimits(output_tokens_max=7))
    await house.runner().react(await house.say("What are positions?"))
    assert (await house.last("model.requested")).parameters["output_tokens_max"] == 7
    assert (await house.last("run.context_retrieved")).passages != ()

    for documents, found in (((uuid4(),), 0), ((DOCUMENT,), 1)):
        await define(house, "Quote.", documents=documents)
        await house.runner().react(await house.say("What are positions?"))
        assert len((await house.last("run.context_retrieved")).passages) == found
