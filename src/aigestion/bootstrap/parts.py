"""Parts that roles are made of: the same in `aigestion up` and in a process of their own."""

import secrets
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack

import msgspec
from nats.aio.client import Client
from prometheus_client import CollectorRegistry

from aigestion.agents.catalog import AGENTS
from aigestion.agents.definition import as_event
from aigestion.api.app import create_app
from aigestion.api.doors import Doors, HealthCheck
from aigestion.api.keys import token_hash
from aigestion.api.server import serving
from aigestion.bootstrap.log import Log
from aigestion.bootstrap.read_side import ReadSide
from aigestion.bootstrap.vitals import Vitals
from aigestion.commands.dispatcher import Dispatcher
from aigestion.eventstore.postgres import PostgresCheckpointStore
from aigestion.kernel.errors import Unavailable
from aigestion.messaging.asyncapi import document
from aigestion.messaging.live import LiveHub
from aigestion.messaging.relay import Relay
from aigestion.ratelimit.routes import RouteLimits
from aigestion.readstores.postgres.finished_work import PostgresFinishedWork
from aigestion.settings_groups import Http


def api_doors(
    log: Log,
    side: ReadSide,
    dispatcher: Dispatcher,
    live: LiveHub,
    metrics: CollectorRegistry,
    health: Mapping[str, HealthCheck],
    operator_key: str | None,
    limiter: RouteLimits | None,
    models: tuple[str, ...],
) -> Doors:
    """What the API needs of the rest. Without an operator's key nobody is the operator."""
    described = msgspec.json.encode(document())
    key = operator_key or secrets.token_hex(32)
    return Doors(
        dispatcher=dispatcher,
        conversations=side.queries.conversations,
        documents=side.queries.documents,
        runs=side.queries.runs,
        search=side.queries.search,
        reports=side.queries.reports,
        feed=side.queries.feed,
        directory=side.queries.directory,
        keys=side.queries.keys,
        log=log.reader,
        checkpoints=PostgresCheckpointStore(log.pool),
        live=live,
        vault=log.vault,
        projections=side.door,
        finished_work=PostgresFinishedWork(log.pool),
        health=health,
        metrics=metrics,
        asyncapi=lambda: described,
        limiter=limiter,
        agents={agent.name: as_event(agent) for agent in AGENTS},
        models=models,
        operator_token_hash=token_hash(key),
    )


def http_door(http: Http, doors: Doors) -> AbstractAsyncContextManager[int]:
    """The API as the settings of the HTTP door want it, served inside the block; yields its port."""
    return serving(
        create_app(doors, cors_origins=http.cors_origins),
        host=http.host,
        port=http.port,
        draining=doors.draining,
        notice_seconds=http.drain_notice_seconds,
    )


async def live_hub(stack: AsyncExitStack, client: Client) -> LiveHub:
    """The hub of a process that serves streams; it stops with the stack."""
    live = LiveHub(client)
    await live.start()
    stack.push_async_callback(live.stop)
    return live


def log_health(log: Log, vitals: Vitals) -> dict[str, HealthCheck]:
    """The two engines every role needs."""

    async def postgres() -> None:
        await log.store.head()

    return {"postgres": postgres, "nats": vitals.nats}


def relay_health(relay: Relay) -> dict[str, HealthCheck]:
    """A relay that waits for a person is not well; a standby is."""

    async def relaying() -> None:
        if relay.stopped_because is not None:
            raise relay.stopped_because

    return {"relay": relaying}


def views_health(side: ReadSide, names: Sequence[str]) -> dict[str, HealthCheck]:
    """Whether these read models serve: a process of a new version builds its views first."""

    async def serving() -> None:
        lines = {line.projection: line for line in side.progress.status()}
        if missing := [name for name in names if lines[name].view is None]:
            raise Unavailable(f"not built yet: {', '.join(missing)}", engine="views")

    return {"views": serving}
