"""The roles as processes of their own, on servers that settings name: API, relay, read models, agents."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack

from nats.aio.client import Client

from aigestion.api.app import create_operations_app
from aigestion.api.doors import Operations
from aigestion.api.server import serving
from aigestion.audit.notary_metrics import notary_metrics
from aigestion.bootstrap.agents import agent_worker
from aigestion.bootstrap.garbage import YOUNG_OBJECTS_FILLING_MAX, settle_garbage
from aigestion.bootstrap.log import Log
from aigestion.bootstrap.models import offered_models
from aigestion.bootstrap.notary import role_notary
from aigestion.bootstrap.parts import (
    api_doors,
    http_door,
    live_hub,
    log_health,
    relay_health,
    views_health,
)
from aigestion.bootstrap.process import Process, process
from aigestion.bootstrap.read_side import ReadSide, read_side
from aigestion.bootstrap.servers import needed_servers, open_servers
from aigestion.bootstrap.stores import opened_stores
from aigestion.bootstrap.vitals import Vitals
from aigestion.bootstrap.volatile import opened_volatile
from aigestion.commands.dispatcher import Dispatcher
from aigestion.eventstore.announce import LogAnnouncer, hear
from aigestion.kernel.errors import NotFound
from aigestion.messaging.jetstream import JetStreamBroker
from aigestion.messaging.leader import PostgresLeadership
from aigestion.messaging.leaderships import PostgresLeaderships
from aigestion.messaging.relay import Relay
from aigestion.observability.lag import HeadWatch, Positions, watch_head
from aigestion.observability.metrics import (
    Collect,
    agent_metrics,
    broker_metrics,
    cache_metrics,
    log_metrics,
    projection_metrics,
    registry_of,
    relay_metrics,
    subscription_metrics,
)
from aigestion.projections.catalog import PROJECTIONS
from aigestion.projections.keeping import follow_read_models, keep_read_models
from aigestion.readcache.cached import Cached
from aigestion.settings import Settings

Ready = Callable[[str], None]
"""Called once the role works, with the URL of its health (and of the API, if it is one)."""


class _Role:
    """A process with its log and its broker open."""

    def __init__(
        self, settings: Settings, process: Process, stack: AsyncExitStack, log: Log, client: Client
    ) -> None:
        self.settings = settings
        self.process = process
        self.stack = stack
        self.log = log
        self.client = client
        self.watch = HeadWatch()
        self.broker = JetStreamBroker(client, replicas=settings.nats.replicas)
        self.vitals = Vitals(log.url, client, log.losses)
        self.health = log_health(log, self.vitals)

    @classmethod
    async def open(
        cls,
        settings: Settings,
        process: Process,
        stack: AsyncExitStack,
        part: str,
        *,
        appending: bool,
        reading: bool = True,
        asking: bool = False,
    ) -> "_Role":
        log, client = await open_servers(
            settings, stack, part, appending=appending, reading=reading, asking=asking
        )
        role = cls(settings, process, stack, log, client)
        if appending:
            announcer = LogAnnouncer(log.pool)
            log.store.on_append += [announcer.wake, role.watch.move]
            await process.runs("announcements", announcer.run())
        return role

    async def reads(self, cached: Cached | None = None) -> ReadSide:
        """Open the read stores, and what asks them."""
        stores = await self.stack.enter_async_context(
            opened_stores(self.settings, self.log, data_dir=None)
        )
        self.health |= stores.health
        self.vitals.also(stores.health)
        return await self.stack.enter_async_context(
            read_side(self.log, self.broker, stores, cached)
        )

    async def follows(self, side: ReadSide) -> None:
        """Know how far the read models are that other processes keep."""
        following = follow_read_models(tuple(side.models.values()), side.registry)
        await self.process.runs("following read models", following)

    async def watches(self, positions: Positions) -> None:
        """Know the head of the log, and how the engines are."""
        await self.process.runs("engines", self.vitals.watch())
        await self.process.runs("head", watch_head(self.watch, self.vitals.head, positions))

    async def operates(
        self, positions: Positions, *collects: Collect, vital: Iterable[str] | None = None
    ) -> str:
        """Open the door of a role without an API: health and metrics. Returns its URL.

        `vital`: the engines it can do nothing without; all of them if not given.
        """
        await self.watches(positions)
        metrics = registry_of(log_metrics(self.watch), self.vitals.metrics(), *collects)
        operations = Operations(
            health=self.health, metrics=metrics, vital=frozenset(vital or self.health)
        )
        door = self.settings.operations
        port = await self.stack.enter_async_context(
            serving(
                create_operations_app(operations),
                host=door.host,
                port=door.port,
                draining=operations.draining,
            )
        )
        settle_garbage()
        return f"http://{door.host}:{port}"


async def run_api(settings: Settings, ready: Ready) -> None:
    """Take commands and answer queries until SIGTERM; any number of processes may."""
    async with process() as (this, stack):
        role = await _Role.open(settings, this, stack, "app", appending=True)
        volatile = await stack.enter_async_context(opened_volatile(settings, role.log))
        role.health |= volatile.health
        role.vitals.also(volatile.health)
        side = await role.reads(volatile.cached)
        await role.follows(side)
        live = await live_hub(stack, role.client)
        await role.watches(lambda: _positions(side))
        metrics = registry_of(
            log_metrics(role.watch),
            role.vitals.metrics(),
            projection_metrics(side.progress, role.watch),
            cache_metrics(volatile.cached),
        )
        key = settings.operator_key
        doors = api_doors(
            role.log,
            side,
            Dispatcher(role.log.store, role.log.codec),
            live,
            metrics,
            role.health,
            key.get_secret_value() if key else None,
            volatile.limiter,
            tuple(offered_models(settings)),
        )
        http = settings.http
        port = await stack.enter_async_context(http_door(http, doors))
        settle_garbage()
        ready(f"http://{http.host}:{port}")
        await this.until_stopped()


async def run_relay(settings: Settings, ready: Ready) -> None:
    """Mirror the log onto the broker and sign checkpoints of it until SIGTERM.

    One process leads in each, the others stand by.
    """
    async with process() as (this, stack):
        role = await _Role.open(settings, this, stack, "relay", appending=False, reading=False)
        relay = Relay(role.log.reader, role.broker, PostgresLeadership(role.log.url, "relay"))
        await this.runs("news of the log", hear(role.log.url, relay.wake))
        await this.runs("relay", relay.run())
        role.health |= relay_health(relay)

        def positions() -> dict[str, int]:
            return {} if relay.last_position is None else {"relay": relay.last_position}

        metrics = [
            relay_metrics(relay, role.watch),
            broker_metrics(lambda: role.broker.missing),
        ]
        if (notary := role_notary(settings, role.log)) is not None:
            await this.runs("notary", notary.run())
            metrics.append(notary_metrics(notary))
        ready(await role.operates(positions, *metrics))
        await this.until_stopped()


async def run_project(settings: Settings, names: Sequence[str], ready: Ready) -> None:
    """Keep read models up to date until SIGTERM, all or those named; one process leads for each.

    `NotFound` for a name there is no read model of.
    """
    known = [projection.name for projection in PROJECTIONS]
    if strange := [name for name in names if name not in known]:
        raise NotFound(
            f"There is no read model {', '.join(strange)}; there are {', '.join(known)}."
        )
    async with process() as (this, stack):
        role = await _Role.open(settings, this, stack, "app", appending=False)
        side = await role.reads()
        kept = [side.models[name] for name in names or known]
        await this.runs("subscription", side.subscription.run())
        keeping = keep_read_models(kept, PostgresLeaderships(role.log.url), side.registry)
        await this.runs("read models", keeping)
        role.health |= views_health(side, [model.projection.name for model in kept])
        url = await role.operates(
            lambda: {name: p for name, p in _positions(side).items() if not names or name in names},
            projection_metrics(side.progress, role.watch),
            subscription_metrics(side.subscription),
        )
        settle_garbage(YOUNG_OBJECTS_FILLING_MAX)
        ready(url)
        await this.until_stopped()


async def run_agents(settings: Settings, ready: Ready) -> None:
    """Run agents until SIGTERM, then let reactions under way end; any number of processes may."""
    async with process() as (this, stack):
        role = await _Role.open(settings, this, stack, "app", appending=True, asking=True)
        side = await role.reads()
        await role.follows(side)
        dispatcher = Dispatcher(role.log.store, role.log.codec)
        worker = await stack.enter_async_context(
            agent_worker(
                settings,
                role.log,
                side.queries,
                dispatcher,
                role.client,
                needed_servers(settings, reading=True).nats_url,
            )
        )
        await this.runs("agents", worker.run())
        url = await role.operates(
            lambda: _positions(side),
            projection_metrics(side.progress, role.watch),
            agent_metrics(lambda: worker.going_on, worker.calls),
            vital=("postgres", "nats"),
        )
        ready(url)
        await this.until_stopped()


def _positions(side: ReadSide) -> dict[str, int]:
    return {line.projection: line.position for line in side.progress.status()}
