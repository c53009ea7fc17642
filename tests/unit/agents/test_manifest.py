"""Law 11: no prompt is stored, and each can be rebuilt and proved, part by part."""

from collections import Counter
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from aigestion.agents.manifest import parsed
from aigestion.agents.rebuild import RebuiltCall, rebuilt_call
from aigestion.commands.conversation.post_interaction import Action, PostInteraction
from aigestion.events.recorded import Recorded
from aigestion.events.run import ModelRequested
from aigestion.kernel.errors import Corrupt, NotFound
from aigestion.llm.port import ChatRequest, Done, TextDelta
from aigestion.llm.scripted import ScriptedModel, fails, says
from tests.unit.agents.conftest import Build
from tests.unit.agents.house import ANA, CONVERSATION, DOCUMENT, TENANT, House

TURNS = 500
MESSAGE_CHARS = 300


async def requests_of(house: House) -> list[Recorded[ModelRequested]]:
    return [one for one in await house.reader.read() if one.type == "model.requested"]


async def rebuilt(house: House, requested: Recorded[ModelRequested]) -> RebuiltCall:
    return await rebuilt_call(
        house.reader, house.vault, house.blobs,
        tenant=TENANT, run_id=requested.data.run_id, call_id=requested.data.call_id,
    )  # fmt: skip


async def conversed(build: Build) -> tuple[House, ScriptedModel]:
    """Three questions, an action, a failed attempt and a document that changed later."""
    model = ScriptedModel(says("One [1]."), fails("overloaded"), says("Two."), says("Three."))
    house = build(model)
    await house.know()
    await house.runner().react(await house.say("Are positions dense?"))
    await house.runner().react(await house.say("¿Y por qué son densas?"))
    clicked = PostInteraction(conversation_id=CONVERSATION, what=Action("click", {"b": 2, "a": 1}))
    await house.deps.dispatcher.dispatch(clicked, ANA)
    await house.runner().react(await house.say("What else are positions?"))
    await house.know("Positions are something else entirely now.")
    return house, model


async def test_every_call_is_rebuilt_exactly(build: Build) -> None:
    house, model = await conversed(build)

    requests = [(await rebuilt(house, one)).request for one in await requests_of(house)]

    assert requests == model.requests
    assert len(requests) == 4
    assert len(requests[-1].turns) == 6
    assert requests[-1].turns[-2].text == '(action) click {"a": 1, "b": 2}'
    assert requests[0].sources[0].text.endswith("without holes.")


async def test_a_rebuilt_call_after_a_crash_is_what_the_model_saw(build: Build) -> None:
    model = ScriptedModel(fails("overloaded"), says("One [1]."))
    house = build(model)
    await house.know()
    heard = await house.say("Are positions dense?")

    class Crash(BaseException):
        pass

    async def die(_: float) -> None:
        raise Crash

    with pytest.raises(Crash):
        await house.runner(sleep=die).react(heard)
    await house.know("Positions are something else entirely now.")
    await house.runner().react(heard)

    first, second = await requests_of(house)
    assert first.data.manifest == second.data.manifest
    assert (await rebuilt(house, second)).request == model.requests[1]


async def test_what_is_not_what_the_model_saw_is_found_out(build: Build) -> None:
    house, _ = await conversed(build)
    requested = (await requests_of(house))[2]

    for part in range(1, len(requested.data.manifest)):
        forged = [*requested.data.manifest]
        forged[part] = forged[part][:-2] + ("00" if forged[part][-2:] != "00" else "11")
        with pytest.raises(Corrupt):
            await rebuilt(_Forging(house, tuple(forged)), requested)  # type: ignore[arg-type]


async def test_an_erased_user_cannot_be_proved_any_more_and_the_rest_can(build: Build) -> None:
    house, _ = await conversed(build)
    requested = (await requests_of(house))[2]
    await house.vault.destroy(TENANT, "user:ana")

    call = await rebuilt(house, requested)

    assert [parsed(entry).role for entry in call.erased] == ["history", "user"]
    assert call.request.turns[-1].text == "[erased]"
    assert call.request.sources


async def test_an_erased_document_is_left_out(build: Build) -> None:
    house, _ = await conversed(build)
    requested = (await requests_of(house))[0]
    await house.vault.destroy(TENANT, f"document:{DOCUMENT}")

    call = await rebuilt(house, requested)

    assert [parsed(entry).role for entry in call.erased] == ["source"]
    assert call.request.sources == ()
    assert call.request.turns[-1].text == "Are positions dense?"


async def test_an_unknown_call_is_not_found(build: Build) -> None:
    house, _ = await conversed(build)

    with pytest.raises(NotFound):
        await rebuilt_call(
            house.reader, house.vault, house.blobs,
            tenant=TENANT, run_id=UUID(int=1), call_id=UUID(int=2),
        )  # fmt: skip


async def test_a_manifest_shows_no_word_of_what_was_said(build: Build) -> None:
    house, _ = await conversed(build)

    for one in await house.store.read():
        if one.event.type == "model.requested":
            assert b"ositions" not in one.event.data
            assert b"assistant that answers" not in one.event.data


async def test_the_instructions_are_stored_once(build: Build) -> None:
    house, model = await conversed(build)

    systems = {one.data.manifest[0] for one in await requests_of(house)}

    [entry] = systems
    stored = await house.blobs.get(parsed(entry).hash)
    assert stored.decode() == model.requests[0].system
    assert len(house.blobs._contents) == 1


async def test_five_hundred_turns_stay_within_twice_their_raw_text(build: Build) -> None:
    reply = "It is so [1]. ".ljust(MESSAGE_CHARS, "y")

    class Talkative(ScriptedModel):
        async def stream(self, request: ChatRequest):  # type: ignore[no-untyped-def]
            self.requests.append(request)
            yield TextDelta(reply)
            yield Done("m", "stop", {}, 1, 1)

    model = Talkative()
    house = build(model)
    part = "The topic number {} is this. " + "And so on and on. " * 40
    await house.know("\n\n".join(f"# Part {n}\n\n{part.format(n)}" for n in range(9)))
    for number in range(TURNS):
        question = f"What is the topic number {number}? ".ljust(MESSAGE_CHARS, "x")
        await house.runner().react(await house.say(question))

    raw = TURNS * 2 * MESSAGE_CHARS
    stored: Counter[str] = Counter()
    manifests: list[int] = []
    for one in await house.store.read():
        stored[one.event.type] += len(one.event.data)
        if one.event.type == "model.requested":
            manifests.append(len(one.event.data))
    assert stored["model.requested"] + stored["run.context_retrieved"] < 2 * raw
    assert max(manifests) <= manifests[50] + 8, "a call's record grows with its conversation"
    assert len(house.blobs._contents) == 1
    prompts = sum(_chars(request) for request in model.requests)
    assert stored["model.requested"] * 8 < prompts


def _chars(request: ChatRequest) -> int:
    texts = [request.system, *(t.text for t in request.turns), *(s.text for s in request.sources)]
    return sum(map(len, texts))


class _Forging:
    """A house whose log says another manifest."""

    def __init__(self, house: House, manifest: tuple[str, ...]) -> None:
        self._house = house
        self._manifest = manifest
        self.vault, self.blobs, self.reader = house.vault, house.blobs, self

    async def read(self, *args: Any, **kwargs: Any) -> list[Recorded[Any]]:
        return [
            replace(one, data=replace(one.data, manifest=self._manifest))
            if one.type == "model.requested"
            else one
            for one in await self._house.reader.read(*args, **kwargs)
        ]
