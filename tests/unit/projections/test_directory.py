"""The read model `directory`: events when projected, then changes."""

from aigestion.events.directory import (
    AgentDefined,
    AgentLimits,
    AgentRegistered,
    KeyExpirySet,
    KeyIssued,
    KeyRevoked,
    TenantCreated,
)
from aigestion.projections.directory import project
from aigestion.readstores.port import Put
from tests.support.history import BEGINNING, History, chat

DEFINED = AgentDefined(
    agent="assistant",
    agent_version=2,
    description="Ours.",
    instructions="Be short.",
    model=None,
    hears=("user.chat",),
    documents=None,
    limits=AgentLimits(),
)


def test_a_tenant_is_a_row() -> None:
    recorded = History().happened(TenantCreated(tenant="demo", name="Demo"))

    changes = project(recorded)

    expected = {"tenant": "demo", "name": "Demo", "created_at": recorded.occurred_at, "position": 1}
    assert changes == [Put("tenants", "demo", expected)]


def test_an_issued_key_is_a_row_without_the_hash_of_its_secret() -> None:
    recorded = History().happened(
        KeyIssued(key_id="k1", secret_hash="5e", name="laptop", scopes=("read",))
    )

    changes = project(recorded)

    assert changes == [
        Put(
            "keys",
            "demo/k1",
            {
                "tenant": "demo",
                "position": 1,
                "key_id": "k1",
                "name": "laptop",
                "scopes": ["read"],
                "issued_at": recorded.occurred_at,
                "issued_by": "user:ana",
                "expires_at": None,
                "revoked_at": None,
            },
        )
    ]


def test_a_revoked_key_stays_as_revoked() -> None:
    recorded = History().happened(KeyRevoked(key_id="k1"))

    assert project(recorded) == [Put("keys", "demo/k1", {"revoked_at": recorded.occurred_at})]


def test_the_end_of_a_key_is_in_its_row() -> None:
    recorded = History().happened(KeyExpirySet(key_id="k1", expires_at=BEGINNING))

    assert project(recorded) == [Put("keys", "demo/k1", {"expires_at": BEGINNING})]


def test_no_tenant_revokes_the_key_of_another() -> None:
    recorded = History().happened(KeyRevoked(key_id="k1"), tenant="acme")

    assert project(recorded) == [Put("keys", "acme/k1", {"revoked_at": recorded.occurred_at})]


def test_an_agent_is_a_row_with_what_it_hears() -> None:
    recorded = History().happened(
        AgentRegistered(agent="assistant", description="Answers.", hears=("user.chat",))
    )

    changes = project(recorded)

    expected = {
        "tenant": "demo",
        "position": 1,
        "agent": "assistant",
        "description": "Answers.",
        "hears": ["user.chat"],
    }
    assert changes == [Put("agents", "demo/assistant", expected)]


def test_a_defined_agent_is_a_row_beside_the_registered_one() -> None:
    recorded = History().happened(DEFINED)

    changes = project(recorded)

    expected = {
        "tenant": "demo",
        "position": 1,
        "agent": "assistant",
        "agent_version": 2,
        "description": "Ours.",
        "hears": ["user.chat"],
    }
    assert changes == [Put("definitions", "demo/assistant", expected)]


def test_what_is_not_in_the_directory_changes_nothing() -> None:
    assert project(History().happened(chat("Hello"))) == []
