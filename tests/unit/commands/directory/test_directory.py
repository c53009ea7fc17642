"""Tenants, keys and agents."""

from aigestion.commands.directory.create_tenant import CreateTenant
from aigestion.commands.directory.issue_key import IssueKey, RevokeKey
from aigestion.commands.directory.register_agent import RegisterAgent
from aigestion.events.directory import AgentRegistered, KeyIssued, KeyRevoked, TenantCreated
from aigestion.kernel.errors import NotFound
from aigestion.testing import given

ISSUED = KeyIssued(key_id="k1", secret_hash="00", name="demo")
REVOKED = KeyRevoked(key_id="k1")
REGISTERED = AgentRegistered(agent="assistant", description="Answers.", hears=("user.chat",))


def test_a_tenant_is_created_once() -> None:
    created = TenantCreated(tenant="demo", name="Demo")
    given().when(CreateTenant("demo", "Demo")).then(created)
    given(created).when(CreateTenant("demo", "Demo")).then_nothing()


def test_a_key_is_issued_and_revoked_once() -> None:
    given().when(IssueKey("k1", "00", "demo")).then(ISSUED)
    given(ISSUED).when(RevokeKey("k1")).then(REVOKED)
    given(ISSUED, REVOKED).when(RevokeKey("k1")).then_nothing()


def test_a_revoked_key_is_never_issued_again() -> None:
    given(ISSUED, REVOKED).when(IssueKey("k1", "11", "demo")).then_nothing()


def test_nobody_revokes_a_key_that_was_never_issued() -> None:
    given(ISSUED).when(RevokeKey("k2")).then_refused(NotFound)


def test_registering_an_agent_again_is_news_only_if_something_changed() -> None:
    same = RegisterAgent("assistant", "Answers.", ("user.chat",))
    given(REGISTERED).when(same).then_nothing()
    more = RegisterAgent("assistant", "Answers.", ("user.chat", "user.voice"))
    given(REGISTERED).when(more).then(
        AgentRegistered(
            agent="assistant", description="Answers.", hears=("user.chat", "user.voice")
        )
    )
