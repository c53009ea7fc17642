"""Tenants, keys and agents."""

from datetime import UTC, datetime

from aigestion.commands.directory.create_tenant import CreateTenant
from aigestion.commands.directory.issue_key import ExpireKey, IssueKey, RevokeKey
from aigestion.commands.directory.register_agent import RegisterAgent
from aigestion.events.directory import (
    AgentRegistered,
    KeyExpirySet,
    KeyIssued,
    KeyRevoked,
    TenantCreated,
)
from aigestion.kernel.errors import NotFound, Refused
from aigestion.testing import given

ISSUED = KeyIssued(key_id="k1", secret_hash="00", name="demo", scopes=("read",))
JUNE, JULY = datetime(2027, 6, 1, tzinfo=UTC), datetime(2027, 7, 1, tzinfo=UTC)
ISSUE = IssueKey("k1", "00", "demo", ("read",))
REVOKED = KeyRevoked(key_id="k1")
REGISTERED = AgentRegistered(agent="assistant", description="Answers.", hears=("user.chat",))


def test_a_tenant_is_created_once() -> None:
    created = TenantCreated(tenant="demo", name="Demo")
    given().when(CreateTenant("demo", "Demo")).then(created)
    given(created).when(CreateTenant("demo", "Demo")).then_nothing()


def test_a_tenant_is_created_with_its_first_key_or_not_at_all() -> None:
    created = TenantCreated(tenant="demo", name="Demo")
    given().when(CreateTenant("demo", "Demo", ISSUE)).then(created, ISSUED)
    given(created).when(CreateTenant("demo", "Demo", ISSUE)).then_nothing()


def test_a_key_is_issued_and_revoked_once() -> None:
    given().when(ISSUE).then(ISSUED)
    given(ISSUED).when(RevokeKey("k1")).then(REVOKED)
    given(ISSUED, REVOKED).when(RevokeKey("k1")).then_nothing()


def test_a_revoked_key_is_never_issued_again() -> None:
    given(ISSUED, REVOKED).when(IssueKey("k1", "11", "demo", ("admin",))).then_nothing()


def test_nobody_revokes_a_key_that_was_never_issued() -> None:
    given(ISSUED).when(RevokeKey("k2")).then_refused(NotFound)


def test_a_key_is_issued_with_its_end() -> None:
    given().when(IssueKey("k1", "00", "demo", ("read",), JULY)).then(
        KeyIssued(key_id="k1", secret_hash="00", name="demo", scopes=("read",), expires_at=JULY)
    )


def test_the_end_of_a_key_is_set_and_brought_forward_but_never_put_off() -> None:
    in_july = KeyExpirySet(key_id="k1", expires_at=JULY)
    given(ISSUED).when(ExpireKey("k1", JULY)).then(in_july)
    given(ISSUED, in_july).when(ExpireKey("k1", JULY)).then_nothing()
    given(ISSUED, in_july).when(ExpireKey("k1", JUNE)).then(
        KeyExpirySet(key_id="k1", expires_at=JUNE)
    )
    in_june = KeyExpirySet(key_id="k1", expires_at=JUNE)
    given(ISSUED, in_june).when(ExpireKey("k1", JULY)).then_refused(Refused)


def test_a_key_that_is_not_there_or_revoked_gets_no_end() -> None:
    given().when(ExpireKey("k1", JUNE)).then_refused(NotFound)
    given(ISSUED, REVOKED).when(ExpireKey("k1", JUNE)).then_refused(Refused)


def test_registering_an_agent_again_is_news_only_if_something_changed() -> None:
    same = RegisterAgent("assistant", "Answers.", ("user.chat",))
    given(REGISTERED).when(same).then_nothing()
    more = RegisterAgent("assistant", "Answers.", ("user.chat", "user.voice"))
    given(REGISTERED).when(more).then(
        AgentRegistered(
            agent="assistant", description="Answers.", hears=("user.chat", "user.voice")
        )
    )
