"""The read model `directory`, asked."""

import pytest

from aigestion.events.directory import AgentRegistered, KeyIssued, KeyRevoked
from aigestion.queries.directory import AgentRecord, DirectoryQueries, KeyRecord
from tests.support.history import History
from tests.support.postgres_views import Views


@pytest.fixture
def queries(views: Views) -> DirectoryQueries:
    return DirectoryQueries(views.pool, views.progress)


async def test_a_key_is_found_by_its_id_with_its_tenant(
    views: Views, queries: DirectoryQueries
) -> None:
    history = History()
    history.happened(KeyIssued(key_id="k1", secret_hash="5e", name="laptop"))
    history.happened(KeyIssued(key_id="k2", secret_hash="6f", name="server"), tenant="acme")
    await views.show(history.events)

    found = await queries.key("k2")

    assert found == KeyRecord(
        key_id="k2", tenant="acme", secret_hash="6f", name="server", revoked=False
    )
    assert await queries.key("k3") is None


async def test_only_its_tenant_revokes_a_key(views: Views, queries: DirectoryQueries) -> None:
    history = History()
    history.happened(KeyIssued(key_id="k1", secret_hash="5e", name="laptop"))
    history.happened(KeyIssued(key_id="k1", secret_hash="00", name="thief"), tenant="acme")
    history.happened(KeyRevoked(key_id="k1"), tenant="acme")
    await views.show(history.events)
    before = await queries.key("k1")

    await views.show([history.happened(KeyRevoked(key_id="k1"))])
    after = await queries.key("k1")

    assert before is not None
    assert after is not None
    assert (before.tenant, before.secret_hash, before.revoked) == ("demo", "5e", False)
    assert (after.tenant, after.revoked) == ("demo", True)


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
