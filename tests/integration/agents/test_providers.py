"""A run with each vendor's model: what it says, and what the log says of the call."""

import pytest

from aigestion.agents.definition import Limits
from aigestion.llm.sdk_model import TimeLimits
from tests.support.fake_dialects import MODEL, Answer, Status
from tests.support.fake_models import FakeModels, says
from tests.support.vendors import VENDORS
from tests.unit.agents.conftest import Build

UNHURRIED = Limits(context_seconds_max=1.0, call_seconds_max=30.0)


@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_run_records_who_was_asked_and_who_answered(build: Build, vendor: str) -> None:
    async with FakeModels() as server:
        server.plan(Status(529), says("They are ", "dense [1]."))
        model = VENDORS[vendor](server, TimeLimits())
        house = build(model, UNHURRIED)
        await house.know()
        await house.runner().react(await house.say("What are positions?"))
        await model.close()

    assert (await house.types())[2:] == [
        "model.requested", "model.failed", "model.requested", "model.completed", "agent.replied",
    ]  # fmt: skip
    requested = await house.last("model.requested")
    failed = await house.last("model.failed")
    completed = await house.last("model.completed")
    provider = vendor.partition(" ")[0]
    assert (requested.provider, requested.model) == (provider, "a-model")
    assert (failed.provider, failed.reason) == (provider, "overloaded")
    assert (completed.provider, completed.requested_model) == (provider, "a-model")
    assert (completed.returned_model, completed.finish_reason) == (MODEL, "stop")
    assert (completed.input_tokens, completed.output_tokens) == (11, 7)
    assert completed.usage
    assert completed.first_token_seconds is not None
    assert (await house.last("agent.replied")).text == "They are dense [1]."
    assert house.live.pieces == ["They are ", "dense [1]."]


@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_refusal_ends_the_run_at_once(build: Build, vendor: str) -> None:
    async with FakeModels() as server:
        server.plan(Answer(pieces=(), refusal="I cannot."))
        model = VENDORS[vendor](server, TimeLimits())
        house = build(model, UNHURRIED)
        await house.runner().react(await house.say("Do something bad."))
        await model.close()

    assert (await house.types())[2:] == ["model.requested", "model.failed", "run.failed"]
    assert (await house.last("model.failed")).reason == "refused"
    assert len(server.asked) == 1
