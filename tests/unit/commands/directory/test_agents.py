"""Definitions of agents: versions, ways back, and what is refused."""

from typing import Any

import msgspec
import pytest

from aigestion.commands.directory.define_agent import DefineAgent, RollBackAgent
from aigestion.commands.directory.template import rendered, unknown_variables
from aigestion.events.directory import AgentDefined, AgentLimits
from aigestion.kernel.errors import NotFound, Unusable, VersionMoved
from aigestion.testing import given

MODELS = ("builtin/quote-1", "openai/big")


def version(number: int, instructions: str, **more: Any) -> AgentDefined:
    fields: dict[str, Any] = {
        "agent": "helper",
        "description": "Helps.",
        "model": None,
        "hears": ("user.chat",),
        "documents": None,
        "limits": AgentLimits(),
    }
    return AgentDefined(agent_version=number, instructions=instructions, **fields | more)


FIRST, SECOND = version(1, "Be short."), version(2, "Be long.", model="openai/big")


def define(wanted: AgentDefined, expected: int | None = None) -> DefineAgent:
    return DefineAgent(wanted=wanted, models=MODELS, expected_version=expected)


def test_each_change_is_one_more_version() -> None:
    given().when(define(version(0, "Be short."))).then(FIRST)
    given(FIRST).when(define(version(0, "Be long.", model="openai/big"))).then(SECOND)


def test_the_same_again_is_no_news() -> None:
    given(FIRST, SECOND).when(define(SECOND)).then_nothing()
    given(FIRST, SECOND).when(define(FIRST)).then(version(3, "Be short."))


def test_whoever_has_not_seen_the_latest_version_is_refused() -> None:
    given(FIRST).when(define(SECOND, 1)).then(SECOND)
    given(FIRST, SECOND).when(define(FIRST, 1)).then_refused(VersionMoved)
    given().when(define(FIRST, 0)).then(FIRST)


def test_every_fault_is_told_at_once_with_where_it_stands() -> None:
    wanted = version(
        0,
        "{{date}} {{user}} {{ user }} {{}}",
        model="openai/small",
        hears=("user.chat", "user.cry"),
    )

    decision = given().when(define(wanted))

    decision.then_refused(Unusable)
    assert decision.error is not None
    faults = decision.error.details["errors"]
    assert [fault["pointer"] for fault in faults] == [
        "#/model",
        "#/instructions",
        "#/instructions",
        "#/hears/1",
    ]
    assert "{{user}}" in faults[1]["message"]
    assert "openai/big" in faults[0]["message"]


def test_a_way_back_is_one_more_version_that_says_what_it_repeats() -> None:
    back = msgspec.structs.replace(FIRST, agent_version=3, rolled_back_to=1)
    given(FIRST, SECOND).when(RollBackAgent(agent="helper", to_version=1)).then(back)
    given(FIRST, SECOND).when(RollBackAgent(agent="helper", to_version=2)).then_nothing()


def test_the_programs_own_definition_is_version_0() -> None:
    own = version(0, "Be yourself.")
    back = msgspec.structs.replace(own, agent_version=2, rolled_back_to=0)
    command = RollBackAgent(agent="helper", to_version=0, builtin=own)
    given(FIRST).when(command).then(back)


@pytest.mark.parametrize("to", [0, 3, 99])
def test_there_is_no_way_back_to_what_was_never_there(to: int) -> None:
    command = RollBackAgent(agent="helper", to_version=to)
    given(FIRST, SECOND).when(command).then_refused(NotFound)


def test_a_way_back_of_somebody_who_has_not_looked_is_refused() -> None:
    command = RollBackAgent(agent="helper", to_version=1, expected_version=1)
    given(FIRST, SECOND).when(command).then_refused(VersionMoved)


def test_variables_are_filled_in_and_the_rest_stays() -> None:
    text = "{{agent}} of {{ tenant }}: {date} {{date}}"

    assert unknown_variables(text) == []
    filled = rendered(text, {"agent": "a", "tenant": "t", "date": "{{agent}}"})
    assert filled == "a of t: {date} {{agent}}"
