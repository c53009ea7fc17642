"""A user asks again: another run, another reply, and the last one counts."""

import pytest

from aigestion.agents.rebuild import rebuilt_call
from aigestion.agents.turns import as_told
from aigestion.commands.conversation.ask_again import AskAgain
from aigestion.kernel.ids import derived_id
from aigestion.llm.port import Turn
from aigestion.llm.scripted import ScriptedModel, says
from tests.support.history import id_of
from tests.unit.agents.conftest import Build
from tests.unit.agents.house import ANA, CONVERSATION, TENANT, House


async def ask_again(house: House, position: int) -> int:
    [message] = await house.reader.read(after=position - 1, limit=1)
    command = AskAgain(
        conversation_id=CONVERSATION, event_id=message.id, event_position=position, kind="chat"
    )
    return (await house.deps.dispatcher.dispatch(command, ANA)).position


async def replies(house: House) -> list[str]:
    return [one.data.text for one in await house.reader.read() if one.type == "agent.replied"]


async def test_another_reply_is_a_run_of_its_own_to_the_same_message(build: Build) -> None:
    model = ScriptedModel(says("First."), says("Second."))
    house = build(model)
    heard = await house.say("Is it?")
    await house.runner().react(heard)

    again = await ask_again(house, heard)
    for _ in range(2):
        await house.runner().react(again)

    assert await replies(house) == ["First.", "Second."]
    question, *_, reply = await house.reader.read(after=heard - 1)
    [asked] = await house.reader.read(after=again - 1, limit=1)
    assert reply.data.in_reply_to == question.id
    assert reply.data.run_id == derived_id(asked.id, "assistant")
    assert reply.causation_id == asked.id
    assert model.requests[0].turns == model.requests[1].turns, "it is asked the same"


async def test_later_questions_see_the_last_reply_where_the_first_one_stood(build: Build) -> None:
    model = ScriptedModel(says("First."), says("Next."), says("Second."), says("Last."))
    house = build(model)
    heard = await house.say("Is it?")
    await house.runner().react(heard)
    await house.runner().react(await house.say("And then?"))
    await house.runner().react(await ask_again(house, heard))

    await house.runner().react(await house.say("And at last?"))

    assert [turn.text for turn in model.requests[-1].turns] == [
        "Is it?", "Second.", "And then?", "Next.", "And at last?",
    ]  # fmt: skip


async def test_what_the_model_saw_is_proved_all_the_same(build: Build) -> None:
    model = ScriptedModel(says("First."), says("Next."), says("Second."), says("Last."))
    house = build(model)
    heard = await house.say("Is it?")
    await house.runner().react(heard)
    await house.runner().react(await house.say("And then?"))
    await house.runner().react(await ask_again(house, heard))
    await house.runner().react(await house.say("And at last?"))

    calls = [one.data for one in await house.reader.read() if one.type == "model.requested"]
    rebuilt = [
        await rebuilt_call(
            house.reader, house.vault, house.blobs,
            tenant=TENANT, run_id=call.run_id, call_id=call.call_id,
        )
        for call in calls
    ]  # fmt: skip

    assert [one.request for one in rebuilt] == model.requests


async def test_a_message_that_is_another_one_is_not_replied_to(build: Build) -> None:
    house = build(ScriptedModel(says("First.")))
    heard = await house.say("Is it?")
    forged = AskAgain(
        conversation_id=CONVERSATION, event_id=id_of("another"), event_position=heard, kind="chat"
    )
    again = (await house.deps.dispatcher.dispatch(forged, ANA)).position

    await house.runner().react(again)

    assert await house.types() == []


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("", ""),
        ("a A b B", "a A b B"),
        ("a A b B A2", "a A2 b B"),
        ("a A A2 A3 b", "a A3 b"),
        ("a b A B A2", "a b A2 B"),
        ("a A x", "a A x"),
    ],
)
def test_the_last_reply_stands_where_the_first_one_stood(said: str, told: str) -> None:
    """Small letters are messages, capital ones replies to them."""
    turns = [
        (id_of(word[0].lower()), Turn("assistant", word))
        if word[0].isupper()
        else (None, Turn("user", word))
        for word in said.split()
    ]

    assert " ".join(turn.text for turn in as_told(turns)) == told
