"""The read model `directory`, asked."""

import pytest

from aigestion.events.directory import AgentRegistered
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
    assert [agent.agent for agent in await queries.agents("demo")] == ["assistant", "writer"]
    assert await queries.agent("demo", "spy") is None
