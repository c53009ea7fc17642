"""The directory: tenants, their API keys and their agents."""

from typing import Annotated, ClassVar

from aigestion.events.event import AgentName, Event, Tag


class TenantCreated(Event, frozen=True, kw_only=True):
    """A tenant exists from now on."""

    stored_as: ClassVar[str] = "tenant.created"
    tenant: Annotated[str, Tag("tenant")]
    name: str


class KeyIssued(Event, frozen=True, kw_only=True):
    """An API key was issued. The log has its SHA-256 only."""

    stored_as: ClassVar[str] = "key.issued"
    key_id: Annotated[str, Tag("key")]
    secret_hash: str
    name: str


class KeyRevoked(Event, frozen=True, kw_only=True):
    """An API key opens nothing any more."""

    stored_as: ClassVar[str] = "key.revoked"
    key_id: Annotated[str, Tag("key")]


class AgentRegistered(Event, frozen=True, kw_only=True):
    """An agent is ready to hear events of this tenant."""

    stored_as: ClassVar[str] = "agent.registered"
    agent: Annotated[AgentName, Tag("agent")]
    description: str
    hears: tuple[str, ...]
    """Stored names of the event types it reacts to."""


EVENTS: tuple[type[Event], ...] = (TenantCreated, KeyIssued, KeyRevoked, AgentRegistered)
