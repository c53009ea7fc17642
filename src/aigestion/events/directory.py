"""The directory: tenants, their API keys and their agents."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, TypeAlias, get_args
from uuid import UUID

import msgspec

from aigestion.events.event import AgentName, Event, Tag

Scope: TypeAlias = Literal["read", "write", "admin", "events", "agent"]
"""What a key may do: ask queries, give commands, administer its tenant, read the log and its streams, and
answer as an agent that runs elsewhere."""

SCOPES: tuple[Scope, ...] = get_args(Scope)


def in_order(scopes: Iterable[str]) -> tuple[Scope, ...]:
    """Each scope once, in the order they are explained in."""
    wanted = set(scopes)
    return tuple(scope for scope in SCOPES if scope in wanted)


class TenantCreated(Event, frozen=True, kw_only=True):
    """A tenant exists from now on."""

    stored_as: ClassVar[str] = "tenant.created"
    tenant: Annotated[str, Tag("tenant")]
    name: str


class KeyIssued(Event, frozen=True, kw_only=True):
    """An API key was issued. The log has its SHA-256 only."""

    stored_as: ClassVar[str] = "key.issued"
    version: ClassVar[int] = 2
    key_id: Annotated[str, Tag("key")]
    secret_hash: str
    name: str
    scopes: tuple[str, ...] = ()
    """`read`, `write`, `admin`, `events`, `agent`."""
    expires_at: datetime | None = None
    """From then on it opens nothing."""


class KeyExpirySet(Event, frozen=True, kw_only=True):
    """The end of an API key was set, or brought forward."""

    stored_as: ClassVar[str] = "key.expiry_set"
    key_id: Annotated[str, Tag("key")]
    expires_at: datetime


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


class AgentLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How much one run of an agent may take."""

    output_tokens_max: int = 1_024
    history_turns_max: int = 12
    passages_max: int = 5
    call_seconds_max: int = 3_700
    """The last guard against a call without end. Providers keep shorter limits, from the settings."""


class AgentDefined(Event, frozen=True, kw_only=True):
    """An agent of this tenant is like this from now on: one more version of its definition."""

    stored_as: ClassVar[str] = "agent.defined"
    agent: Annotated[AgentName, Tag("agent")]
    agent_version: int
    """1, 2, 3… Version 0 is what the program brings, if it brings an agent of this name."""
    description: str
    instructions: str
    """A template: `{{date}}` and its like are filled in for each run."""
    model: str | None
    """`<provider>/<model>`; None for the one that this installation asks."""
    hears: tuple[str, ...]
    """Stored names of the event types it reacts to."""
    documents: tuple[UUID, ...] | None
    """What it may quote: these documents only; None for all of the tenant."""
    limits: AgentLimits
    rolled_back_to: int | None = None
    """The version this one repeats, if it is a way back."""


EVENTS: tuple[type[Event], ...] = (
    TenantCreated,
    KeyIssued,
    KeyExpirySet,
    KeyRevoked,
    AgentRegistered,
    AgentDefined,
)


# Older shapes


def key_issued_from_1(fields: dict[str, Any]) -> dict[str, Any]:
    """Before there were scopes a key could do all but administer, for ever."""
    return {**fields, "scopes": ["read", "write", "events"], "expires_at": None}
