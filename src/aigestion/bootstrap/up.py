"""`aigestion up`: every role in one process and one event loop, on embedded engines."""

import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager
from functools import partial
from pathlib import Path

import msgspec
from nats.aio.client import Client
from prometheus_client import CollectorRegistry

from aigestion import __version__
from aigestion.agents.worker import AgentWorker
from aigestion.api.v1.new_document import NewDocument
from aigestion.audit.notary import Notary
from aigestion.audit.notary_metrics import notary_metrics
from aigestion.bootstrap.agents import agent_worker
from aigestion.bootstrap.broker import connected_nats
from aigestion.bootstrap.demo import TENANT, documentation, documents_in, set_up_demo
from aigestion.bootstrap.engines import Engines, embedded_engines
from aigestion.bootstrap.garbage import settle_garbage
from aigestion.bootstrap.grants import keep_grants
from aigestion.bootstrap.log import Log, opened_log
from aigestion.bootstrap.models import missing_keys, offered_models
from aigestion.bootstrap.notary import notary_of
from aigestion.bootstrap.parts import api_doors, http_door, live_hub, log_health, relay_health
from aigestion.bootstrap.process import Process, process
from aigestion.bootstrap.read_side import ReadSide, read_side
from aigestion.bootstrap.stores import opened_stores
from aigestion.bootstrap.vitals import Vitals
from aigestion.bootstrap.volatile import opened_volatile
from aigestion.commands.dispatcher import Dispatcher
from aigestion.embedded.connect_file import CONNECT_FILE, Doors
from aigestion.embedded.datadir import DataDir
from aigestion.events.catalog import Catalog
from aigestion.eventstore.assertions import assert_safe
from aigestion.kernel.errors import Misconfigured
from aigestion.messaging.jetstream import JetStreamBroker
from aigestion.messaging.leader import PostgresLeadership
from aigestion.messaging.leaderships import PostgresLeaderships
from aigestion.messaging.relay import Relay
from aigestion.observability.lag import HeadWatch, watch_head
from aigestion.observability.metrics import (
    agent_metrics,
    broker_metrics,
    cache_metrics,
    log_metrics,
    projection_metrics,
    registry_of,
    relay_metrics,
    subscription_metrics,
)
from aigestion.projections.keeping import keep_read_models
from aigestion.readcache.cached import Cached
from aigestion.settings import Settings

DIRECTORY_SECONDS_MAX = 30.0
"""How long the demo key may take to be known after it was issued."""


async def run_up(
    settings: Settings,
    *,
    demo: bool,
    documents: Path | None = None,
    ready: Callable[[Doors], None],
    search: str | None = None,
) -> None:
    """Run until SIGINT or SIGTERM, then drain and return.

    From now on the demo has the texts of the folder `documents`, and `search` searches; as before if None.
    `ready` is called once every door is open. Raises `Misconfigured` or `Unavailable`, with one sentence,
    if the system cannot start or one of its parts fails for good.
    """
    _refuse_unfit(settings)
    data_dir = DataDir(settings.data_dir)
    texts = _texts(data_dir, documents) if demo else None
    async with process() as (this, stack):
        engines = await _engines(this, stack, data_dir, search, documents)
        settings = engines.on(settings)
        log = await stack.enter_async_context(_log(settings, engines, data_dir))
        await assert_safe(log.url)
        app = await stack.enter_async_context(_nats(engines, "app"))
        publisher = await stack.enter_async_context(_nats(engines, "relay"))
        stores = await stack.enter_async_context(opened_stores(settings, log, data_dir))
        volatile = await stack.enter_async_context(opened_volatile(settings, log))
        reading = read_side(log, JetStreamBroker(app), stores, volatile.cached)
        side = await stack.enter_async_context(reading)
        mirror = JetStreamBroker(publisher)
        relay = Relay(log.reader, mirror, PostgresLeadership(log.url, "relay"))
        watch = HeadWatch(await log.store.head())
        log.store.on_append += [relay.wake, watch.move]
        notary = notary_of(settings, log, data_dir.checkpoint_key)
        await _mirrors_and_keeps(this, relay, notary, side, log.url)
        dispatcher = Dispatcher(log.store, log.codec)
        if texts is not None:
            await _demo(dispatcher, log, side, data_dir, texts)
        nats_url = engines.nats.url("app")
        working = agent_worker(settings, log, side.queries, dispatcher, app, nats_url)
        worker = await stack.enter_async_context(working)
        await this.runs("agents", worker.run())
        live = await live_hub(stack, app)
        vitals = Vitals(log.url, app, log.losses)
        of_others = {**stores.health, **volatile.health}
        vitals.also(of_others)
        await this.runs("engines", vitals.watch())
        await this.runs("head", watch_head(watch, vitals.head, partial(_positions, side, relay)))
        operator_key = _operator_key(data_dir)
        health = {**log_health(log, vitals), **relay_health(relay), **of_others}
        metrics = _metrics(watch, vitals, relay, mirror, notary, side, worker, volatile.cached)
        models = tuple(offered_models(settings))
        limiter = volatile.limiter
        api = api_doors(log, side, dispatcher, live, metrics, health, operator_key, limiter, models)
        port = await stack.enter_async_context(http_door(settings.http, api))
        url = f"http://{settings.http.host}:{port}"
        opened = _doors(data_dir, engines, url, operator_key, models)
        stack.enter_context(_announced(data_dir, opened))
        settle_garbage()
        ready(opened)
        await this.until_stopped()


async def _demo(
    dispatcher: Dispatcher,
    log: Log,
    side: ReadSide,
    data_dir: DataDir,
    texts: Sequence[NewDocument],
) -> None:
    issued = await set_up_demo(dispatcher, log.vault, data_dir, texts)
    await side.progress.at_least("directory", issued, DIRECTORY_SECONDS_MAX)


def _texts(data_dir: DataDir, documents: Path | None) -> list[NewDocument]:
    """What the demo's agents answer from. `Misconfigured` if it cannot be read."""
    folder = documents or data_dir.documents
    return documentation() if folder is None else documents_in(folder)


async def _engines(
    this: Process,
    stack: AsyncExitStack,
    data_dir: DataDir,
    search: str | None,
    documents: Path | None,
) -> Engines:
    """The engines of the data dir, which is this process's alone from now on."""
    stack.enter_context(data_dir.locked())
    (data_dir.path / CONNECT_FILE).unlink(missing_ok=True)
    if search is not None:
        data_dir.search = search
    if documents is not None:
        data_dir.documents = documents
    engines = await stack.enter_async_context(embedded_engines(data_dir))
    await this.runs("grants", keep_grants(data_dir, engines.nats.port))
    return engines


async def _mirrors_and_keeps(
    this: Process, relay: Relay, notary: Notary, side: ReadSide, url: str
) -> None:
    """What the roles `relay` and `project` do elsewhere."""
    await this.runs("relay", relay.run())
    await this.runs("notary", notary.run())
    await this.runs("subscription", side.subscription.run())
    models = tuple(side.models.values())
    await this.runs(
        "read models", keep_read_models(models, PostgresLeaderships(url), side.registry)
    )


def _metrics(
    watch: HeadWatch,
    vitals: Vitals,
    relay: Relay,
    mirror: JetStreamBroker,
    notary: Notary,
    side: ReadSide,
    worker: AgentWorker,
    cached: Cached,
) -> CollectorRegistry:
    return registry_of(
        log_metrics(watch),
        vitals.metrics(),
        relay_metrics(relay, watch),
        broker_metrics(lambda: mirror.missing),
        notary_metrics(notary),
        subscription_metrics(side.subscription),
        projection_metrics(side.progress, watch),
        agent_metrics(lambda: worker.going_on, worker.calls),
        cache_metrics(cached),
    )


def _log(
    settings: Settings, engines: Engines, data_dir: DataDir
) -> AbstractAsyncContextManager[Log]:
    return opened_log(
        engines.postgres.runtime_url,
        data_dir.master_key,
        settings.log.connections_max,
        catalog=Catalog(),
    )


def _refuse_unfit(settings: Settings) -> None:
    """Of the log and the broker there is one each: two would make two systems of this one."""
    for variable, url in (("POSTGRES", settings.postgres_url), ("NATS", settings.nats_url)):
        if url is not None:
            raise Misconfigured(
                f"`aigestion up` runs a log and a broker of its own: unset AIGESTION_{variable}_URL, "
                "or run the roles (aigestion api, relay, project, agents)."
            )
    if keys := missing_keys(settings):
        raise Misconfigured(f"The models that agents may ask need a key: set {' and '.join(keys)}.")


def _positions(side: ReadSide, relay: Relay) -> dict[str, int]:
    positions = {line.projection: line.position for line in side.progress.status()}
    return positions if relay.last_position is None else positions | {"relay": relay.last_position}


@contextmanager
def _announced(data_dir: DataDir, doors: Doors) -> Iterator[None]:
    """`connect.json` is there as long as the doors are open."""
    data_dir.write_private(CONNECT_FILE, msgspec.json.encode(doors).decode())
    try:
        yield
    finally:
        (data_dir.path / CONNECT_FILE).unlink(missing_ok=True)


def _nats(engines: Engines, user: str) -> AbstractAsyncContextManager[Client]:
    return connected_nats(engines.nats.address, user, password=engines.nats.password(user))


def _doors(
    data_dir: DataDir,
    engines: Engines,
    http_url: str,
    operator_key: str,
    models: tuple[str, ...],
) -> Doors:
    return Doors(
        version=__version__,
        pid=os.getpid(),
        http_url=http_url,
        api_key=data_dir.read_private("demo.key"),
        operator_key=operator_key,
        nats_url=engines.nats.address,
        nats_user="reader",
        nats_password=engines.nats.password("reader"),
        postgres_dsn=engines.postgres.runtime_url,
        tenant=TENANT,
        search=data_dir.search,
        models=models,
    )


def _operator_key(data_dir: DataDir) -> str:
    key = data_dir.read_private("operator.key")
    if key is None:
        key = f"aigop_{secrets.token_hex(32)}"
        data_dir.write_private("operator.key", key)
    return key
