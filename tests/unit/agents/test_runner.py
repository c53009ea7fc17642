"""A reaction from the heard event to its one end, whatever the model does."""

import asyncio

import msgspec
import pytest

from aigestion.agents.definition import Limits
from aigestion.agents.runner import AgentRunner
from aigestion.commands.conversation.post_interaction import Action, PostInteraction, Voice
from aigestion.events.conversation import Citation
from aigestion.kernel.errors import Unavailable, ViewBehind
from aigestion.llm.builtin import BuiltinModel
from aigestion.llm.port import Done, Failed, TextDelta, Turn
from aigestion.llm.scripted import Pause, ScriptedModel, fails, hangs, says
from aigestion.messaging.locks import MemoryLocks
from aigestion.observability.metrics import agent_metrics, registry_of
from tests.unit.agents.conftest import Build
from tests.unit.agents.house import ANA, CONVERSATION, DOCUMENT, LIMITS

REPLIED = [
    "run.started", "run.context_retrieved", "model.requested", "model.completed", "agent.replied",
]  # fmt: skip
FAILED_ONCE = [
    "run.started", "run.context_retrieved", "model.requested", "model.failed", "run.failed",
]  # fmt: skip


async def test_a_question_is_answered_with_its_sources(build: Build) -> None:
    house = build(ScriptedModel(says("They are ", "dense [1], not [7].")))
    await house.know()
    heard = await house.say("What are positions?")

    await house.runner().react(heard)

    assert await house.types() == REPLIED
    reply = await house.last("agent.replied")
    assert reply.text == "They are dense [1], not [7]."
    assert reply.citations == (Citation(1, DOCUMENT, 0, "Laws"),)
    assert house.live.pieces == ["They are ", "dense [1], not [7]."]


async def test_the_chain_of_causes_is_kept(build: Build) -> None:
    house = build(ScriptedModel(says("Yes.")))
    heard = await house.say("Is it?")

    await house.runner().react(heard)

    question, *run = await house.reader.read(after=heard - 1)
    assert {one.causation_id for one in run} == {question.id}
    assert {one.correlation_id for one in run} == {question.correlation_id}
    assert {one.actor for one in run} == {"agent:assistant"}


async def test_hearing_again_changes_nothing(build: Build) -> None:
    model = ScriptedModel(says("Yes."))
    house = build(model)
    heard = await house.say("Is it?")

    for _ in range(3):
        await house.runner().react(heard)

    assert await house.types() == REPLIED
    assert len(model.requests) == 1


async def test_the_model_sees_the_turns_before_and_nothing_after(build: Build) -> None:
    model = ScriptedModel(says("First answer."), says("Second answer."))
    house = build(model)
    await house.runner().react(await house.say("First question?"))
    second = await house.say("Second question?")
    await house.say("Third question?")

    await house.runner().react(second)

    assert model.requests[1].turns == (
        Turn("user", "First question?"),
        Turn("assistant", "First answer."),
        Turn("user", "Second question?"),
    )


async def test_speech_is_heard_and_an_action_is_not(build: Build) -> None:
    house = build(ScriptedModel(says("Yes.")))
    await house.say("Hello, I have a question about positions.")
    said = PostInteraction(conversation_id=CONVERSATION, what=Voice("Are they dense?"))
    done = PostInteraction(conversation_id=CONVERSATION, what=Action("clicked", {"b": 1}))
    spoken = await house.deps.dispatcher.dispatch(said, ANA)
    await house.runner().react(spoken.position)
    acted = await house.deps.dispatcher.dispatch(done, ANA)

    await house.runner().react(acted.position)

    assert await house.types() == []
    assert (await house.last("agent.replied")).in_reply_to == spoken.events[0].id


@pytest.mark.parametrize("reason", ["rate-limited", "overloaded", "timeout", "unreachable"])
async def test_a_failure_before_the_first_word_is_tried_again(build: Build, reason: str) -> None:
    house = build(ScriptedModel(fails(reason), says("Yes.")))  # type: ignore[arg-type]
    heard = await house.say("Is it?")

    await house.runner().react(heard)

    assert (await house.types())[2:] == [
        "model.requested", "model.failed", "model.requested", "model.completed", "agent.replied",
    ]  # fmt: skip
    assert (await house.last("model.failed")).reason == reason
    assert len(house.slept) == 1
    registry = registry_of(agent_metrics(lambda: 0, house.deps.calls))
    told = {"model": "scripted/scripted-1", "reason": reason}
    assert registry.get_sample_value("model_failures_total", told) == 1
    assert registry.get_sample_value("model_call_seconds_count", {"model": told["model"]}) == 2


async def test_attempts_and_pauses_are_bounded(build: Build) -> None:
    model = ScriptedModel(fails("overloaded"))
    house = build(model)
    heard = await house.say("Is it?")

    await house.runner().react(heard)

    assert len(model.requests) == LIMITS.attempts_max
    assert len({request.call_id for request in model.requests}) == LIMITS.attempts_max
    assert house.slept == sorted(house.slept)
    assert sum(house.slept) < 6
    assert (await house.types())[-2:] == ["model.failed", "run.failed"]


async def test_a_provider_is_left_alone_for_as_long_as_it_asks(build: Build) -> None:
    house = build(ScriptedModel(fails("rate-limited", retry_after_seconds=7), says("Yes.")))

    await house.runner().react(await house.say("Is it?"))

    assert house.slept == [7]
    assert await house.types() == [*REPLIED[:3], "model.failed", *REPLIED[2:]]


async def test_nobody_waits_for_a_provider_that_wants_an_hour(build: Build) -> None:
    house = build(ScriptedModel(fails("rate-limited", retry_after_seconds=3600), says("Yes.")))

    await house.runner().react(await house.say("Is it?"))

    assert await house.types() == FAILED_ONCE
    assert "too many questions" in (await house.last("run.failed")).message


async def test_a_refusal_is_not_tried_again(build: Build) -> None:
    house = build(ScriptedModel(fails("refused", retryable=False), says("Yes.")))

    await house.runner().react(await house.say("¿Es así, o no lo es?"))

    assert await house.types() == FAILED_ONCE
    assert (await house.last("run.failed")).message == (
        "El modelo de lenguaje se negó a responder a esto."
    )


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (hangs(after="They are "), "timeout"),
        (fails("cut-off", after="They are "), "cut-off"),
        ((TextDelta("They are "),), "cut-off"),
    ],
)
async def test_an_answer_that_breaks_off_is_kept_and_the_user_is_told(
    build: Build, script: tuple[TextDelta | Failed, ...], reason: str
) -> None:
    model = ScriptedModel(script, says("never asked"))
    house = build(model)

    await house.runner().react(await house.say("Is it?"))

    assert await house.types() == FAILED_ONCE
    failed = await house.last("model.failed")
    assert (failed.reason, failed.partial_text) == (reason, "They are ")
    assert "broke off" in (await house.last("run.failed")).message
    assert len(model.requests) == 1


async def test_an_empty_answer_is_a_failure(build: Build) -> None:
    house = build(ScriptedModel((TextDelta("  "), Done("m", "stop", {}, 1, 1))))

    await house.runner().react(await house.say("Is it?"))

    assert (await house.last("model.failed")).reason == "garbage"


async def test_a_model_that_raises_ends_its_call_and_not_the_house(build: Build) -> None:
    class Broken(ScriptedModel):
        async def stream(self, request):  # type: ignore[no-untyped-def]
            raise ValueError("my secret prompt")
            yield

    house = build(Broken())

    await house.runner().react(await house.say("Is it?"))

    assert (await house.types())[-1] == "run.failed"
    assert "secret" not in (await house.last("model.failed")).message


async def test_what_no_store_can_hold_is_taken_out_of_an_answer(build: Build) -> None:
    house = build(ScriptedModel(says("a\0b\ud800c")))

    await house.runner().react(await house.say("Is it?"))

    assert (await house.last("agent.replied")).text == "ab?c"


async def test_a_lost_live_channel_does_not_lose_the_reply(build: Build) -> None:
    class Deaf:
        async def publish(self, tenant: str, delta: object) -> None:
            raise ConnectionError

    house = build(ScriptedModel(says("Yes.")))

    await house.runner(live=Deaf()).react(await house.say("Is it?"))

    assert await house.types() == REPLIED


async def test_many_runners_at_once_make_one_reply(build: Build) -> None:
    model = ScriptedModel((Pause(0.02), *says("Yes.")))
    house = build(model)
    heard = await house.say("Is it?")

    await asyncio.gather(*(house.runner().react(heard) for _ in range(5)))

    assert await house.types() == REPLIED
    assert len(model.requests) == 1


async def test_a_run_somebody_works_on_is_left_to_them(build: Build) -> None:
    house = build(ScriptedModel((Pause(0.05), *says("Yes."))))
    heard = await house.say("Is it?")
    first = asyncio.create_task(house.runner().react(heard))
    await asyncio.sleep(0.02)

    await house.runner().react(heard)
    await first

    assert await house.types() == REPLIED


@pytest.mark.parametrize("loser", ["answers late", "fails late"])
async def test_even_without_locks_a_run_ends_once(build: Build, loser: str) -> None:
    late = says("Late.") if loser == "answers late" else fails("refused", retryable=False)
    quick, slow = ScriptedModel(says("Yes.")), ScriptedModel((Pause(0.05), *late))
    house = build(quick)
    heard = await house.say("Is it?")
    first = asyncio.create_task(house.runner(model=slow).react(heard))
    await asyncio.sleep(0.02)
    house.locks = MemoryLocks()  # the first one's connection broke, and its locks with it

    await house.runner().react(heard)
    await first

    assert (await house.types())[2:] == [
        "model.requested", "model.failed", "model.requested", "model.completed", "agent.replied",
    ]  # fmt: skip
    assert (await house.last("model.failed")).reason == "unknown"
    assert (await house.last("agent.replied")).text == "Yes."


async def test_read_models_that_stay_away_fail_the_run_visibly(build: Build) -> None:
    house = build(ScriptedModel(says("Yes.")))
    house.searches.turns_error = Unavailable("gone", engine="postgres")

    await house.runner().react(await house.say("Is it?"))

    assert await house.types() == ["run.started", "run.failed"]
    assert (await house.last("run.failed")).reason == "context-unavailable"


async def test_read_models_that_come_back_in_time_are_waited_for(build: Build) -> None:
    house = build(ScriptedModel(says("Yes.")), Limits(context_seconds_max=5, call_seconds_max=1))
    house.searches.turns_error = ViewBehind("behind")

    async def recover(_: float) -> None:
        house.searches.turns_error = None

    await house.runner(sleep=recover).react(await house.say("Is it?"))

    assert await house.types() == REPLIED


async def test_a_run_of_an_erased_user_ends(build: Build) -> None:
    house = build(ScriptedModel(says("Yes.")))
    heard = await house.say("Is it?")
    await house.vault.destroy("demo", "user:ana")

    await house.runner().react(heard)

    assert await house.types() == ["run.started", "run.failed"]
    assert (await house.last("run.failed")).reason == "erased"


async def test_a_user_erased_while_the_model_speaks_ends_the_run(build: Build) -> None:
    house = build(ScriptedModel(says("Yes.")))

    class Eraser:
        async def publish(self, tenant: str, delta: object) -> None:
            await house.vault.destroy("demo", "user:ana")

    await house.runner(live=Eraser()).react(await house.say("Is it?"))

    assert await house.types() == [
        "run.started",
        "run.context_retrieved",
        "model.requested",
        "model.failed",
        "run.failed",
    ]


async def test_events_of_other_agents_are_left_to_them(build: Build) -> None:
    house = build(ScriptedModel(says("Yes.")))
    heard = await house.say("Is it?")

    await AgentRunner((), house.deps, house.locks).react(heard)
    await house.runner().react(heard + 100)
    await house.runner().react(1)

    assert await house.types() == []


async def test_the_builtin_model_answers_from_the_documents(build: Build) -> None:
    house = build(BuiltinModel())
    await house.know()

    await house.runner().react(await house.say("Are positions dense?"))

    reply = await house.last("agent.replied")
    assert "Positions are dense: one, two, three, without holes. [1]" in reply.text
    assert len(reply.citations) == 1


async def test_usage_and_timings_are_recorded_as_they_came(build: Build) -> None:
    usage = {"prompt_tokens": 3, "odd": {"x": [1]}}
    house = build(ScriptedModel((TextDelta("Yes."), Done("m-2", "length", usage, 3, 1))))

    await house.runner().react(await house.say("Is it?"))

    completed = await house.last("model.completed")
    assert (completed.returned_model, completed.finish_reason) == ("m-2", "length")
    assert completed.usage == usage
    assert 0 <= completed.first_token_seconds <= completed.duration_seconds
    assert msgspec.json.encode(completed).find(b"Yes") == -1
