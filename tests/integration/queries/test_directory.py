"""The read model `directory`, asked."""

import pytest

from aigestion.events.directory import AgentDefined, AgentLimits, AgentRegistered
from aigestion.queries.directory import AgentRecord, DirectoryQueries
from tests.support.history import History
from tests.support.postgres_views import Views


@pytest.fixture
def queries(views: Views) -> DirectoryQueries:
    return DirectoryQueries(views.pool, views.progress)


async def test_agents_are_found_within_their_tenant(
    views: Views, queries: DirectoryQueries
) -> None:
    history = History()
    history.happened(AgentRegistered(agent="writer", description="Writes.", hears=()))
    history.happened(AgentRegistered(agent="assistant", description="First.", hears=("user.chat",)))
    history.happened(AgentRegistered(agent="assistant", description="Now.", hears=("user.voice",)))
    history.happened(AgentRegistered(agent="spy", description="Spies.", hears=()), tenant="acme")
    await views.show(history.events)

    assert await queries.agent("demo", "assistant") == AgentRecord(
        tenant="demo", agent="assistant", description="Now.", hears=("user.voice",)
    )
    assert [agent.agent for agent in (await queries.agents("demo")).data] == ["assistant", "writer"]
    assert await queries.agent("demo", "spy") is None


async def test_a_definition_goes_before_what_was_registered(
    views: Views, queries: DirectoryQueries
) -> None:
    history = History()
    history.happened(AgentRegistered(agent="assistant", description="First.", hears=("user.chat",)))
    history.happened(defined("assistant", 1))
    history.happened(defined("writer", 2))
    history.happened(AgentRegistered(agent="assistant", description="Again.", hears=()))
    history.happened(defined("spy", 1), tenant="acme")
    await views.show(history.events)

    shown = (await queries.agents("demo")).data
    assert [(one.agent, one.agent_version, one.description) for one in shown] == [
        ("assistant", 1, "Ours."),
        ("writer", 2, "Ours."),
    ]
    assert sorted(await queries.defined()) == ["acme/spy", "demo/assistant", "demo/writer"]
    assert await queries.agent("demo", "spy") is None


def defined(agent: str, number: int) -> AgentDefined:
    return AgentDefined(
        agent=agent,
        agent_version=number,
        description="Ours.",
        instructions="Be short.",
        model=None,
        hears=("user.voice",),
        documents=None,
        limits=AgentLimits(),
    )
