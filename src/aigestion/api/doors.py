"""What the API needs of the rest of the system; bootstrap builds it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry

from aigestion.api.projection_door import FinishedWork, ProjectionDoor
from aigestion.commands.dispatcher import Dispatcher
from aigestion.events.directory import AgentDefined
from aigestion.eventstore.port import CheckpointStore
from aigestion.eventstore.reader import LogReader
from aigestion.eventstore.vault import Vault
from aigestion.kernel.clock import Clock, utc_now
from aigestion.messaging.live import LiveHub
from aigestion.queries.conversations import ConversationQueries
from aigestion.queries.directory import DirectoryQueries
from aigestion.queries.documents import DocumentQueries
from aigestion.queries.feed import FeedQueries
from aigestion.queries.keys import KeyQueries
from aigestion.queries.reports import ReportQueries
from aigestion.queries.runs import RunQueries
from aigestion.queries.search import SearchQueries
from aigestion.ratelimit.routes import RouteLimits

HealthCheck = Callable[[], Awaitable[None]]
"""Returns if the engine answers, raises whatever it likes if not."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How long the API waits."""

    health_timeout_seconds: float = 2.0
    heartbeat_seconds: float = 15.0
    """Longest silence of a stream."""


@dataclass(frozen=True, kw_only=True)
class Operations:
    """How a role is doing: all that one without an HTTP API of its own shows."""

    health: Mapping[str, HealthCheck]
    metrics: CollectorRegistry
    vital: frozenset[str]
    """The engines this role can do nothing without."""
    draining: asyncio.Event = field(default_factory=asyncio.Event)
    limits: Limits = Limits()


@dataclass(frozen=True, kw_only=True)
class Doors:
    """The rest of the system, as routes see it."""

    dispatcher: Dispatcher
    conversations: ConversationQueries
    documents: DocumentQueries
    runs: RunQueries
    search: SearchQueries
    reports: ReportQueries
    feed: FeedQueries
    directory: DirectoryQueries
    keys: KeyQueries
    log: LogReader
    checkpoints: CheckpointStore
    live: LiveHub
    vault: Vault
    projections: ProjectionDoor
    finished_work: FinishedWork
    health: Mapping[str, HealthCheck]
    """By the engine's name."""
    vital: frozenset[str] = frozenset({"postgres"})
    """Without these nothing works; without another, what reads it says so, and all else goes on."""
    metrics: CollectorRegistry
    agents: Mapping[str, AgentDefined] = field(default_factory=dict)
    """What the program brings, by name: version 0 of each."""
    models: tuple[str, ...] = ()
    """What agents may ask, as `<provider>/<model>`."""
    asyncapi: Callable[[], bytes]
    """The AsyncAPI document as JSON."""
    operator_token_hash: str
    """SHA-256 in hex of the token that may rebuild and verify."""
    draining: asyncio.Event = field(default_factory=asyncio.Event)
    """Set before the server stops: streams end, `/health/ready` says no."""
    limits: Limits = Limits()
    limiter: RouteLimits | None = None
    """How much callers may ask for; without one, as much as they like."""
    clock: Clock = utc_now
