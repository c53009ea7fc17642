"""`aigestion up`: every role in one process and one event loop, on embedded engines."""

import asyncio
import logging
import os
import secrets
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager

import msgspec
from nats.aio.client import Client
from prometheus_client import CollectorRegistry

from aigestion import __version__
from aigestion.api.app import create_app
from aigestion.api.doors import Doors as ApiDoors
from aigestion.api.doors import HealthCheck
from aigestion.api.keys import token_hash
from aigestion.api.server import serving
from aigestion.bootstrap.agents import agent_worker
from aigestion.bootstrap.broker import connected_nats
from aigestion.bootstrap.demo import TENANT, set_up_demo
from aigestion.bootstrap.engines import Engines, embedded_engines
from aigestion.bootstrap.garbage import settle_garbage
from aigestion.bootstrap.log import Log, opened_log
from aigestion.bootstrap.read_side import ReadSide, embedded_read_side
from aigestion.bootstrap.tasks import Background
from aigestion.commands.dispatcher import Dispatcher
from aigestion.embedded.connect_file import CONNECT_FILE, Doors
from aigestion.embedded.datadir import DataDir
from aigestion.events.catalog import Catalog
from aigestion.eventstore.assertions import assert_safe
from aigestion.kernel.errors import Unavailable
from aigestion.messaging.asyncapi import document
from aigestion.messaging.jetstream import JetStreamBroker
from aigestion.messaging.leader import PostgresLeadership
from aigestion.messaging.leaderships import PostgresLeaderships
from aigestion.messaging.live import LiveHub
from aigestion.messaging.relay import Relay
from aigestion.observability.metrics import KnownHead, SystemCollector
from aigestion.projections.keeping import keep_read_models
from aigestion.settings import Settings

REBUILD_PACE = 0.3
"""The share of the time a rebuild may use: queries share the event loop and the machine with it (measured)."""
DIRECTORY_SECONDS_MAX = 30.0
"""How long the demo key may take to be known after it was issued."""

_log = logging.getLogger(__name__)


async def run_up(settings: Settings, *, demo: bool, ready: Callable[[Doors], None]) -> None:
    """Run until SIGINT or SIGTERM, then drain and return.

    `ready` is called once every door is open. Raises `Misconfigured` or `Unavailable`, with one
    sentence, if the system cannot start or one of its parts fails for good.
    """
    data_dir, catalog, background = DataDir(settings.data_dir), Catalog(), Background()
    async with AsyncExitStack() as stack:
        stop = stack.enter_context(_signals())
        stack.enter_context(data_dir.locked())
        (data_dir.path / CONNECT_FILE).unlink(missing_ok=True)
        engines = await stack.enter_async_context(embedded_engines(data_dir))
        url, connections = engines.postgres.runtime_url, settings.log.connections_max
        log = await stack.enter_async_context(
            opened_log(url, data_dir.master_key, connections, catalog=catalog)
        )
        await assert_safe(log.url)
        app = await stack.enter_async_context(_nats(engines, "app"))
        publisher = await stack.enter_async_context(_nats(engines, "relay"))
        side = await stack.enter_async_context(
            embedded_read_side(log, JetStreamBroker(app), data_dir, catalog, pace=REBUILD_PACE)
        )
        relay = Relay(log.reader, JetStreamBroker(publisher), PostgresLeadership(url, "relay"))
        log.store.on_append.append(relay.wake)
        known = KnownHead(await log.store.head())
        log.store.on_append.append(known.move)
        keeping = keep_read_models(
            tuple(side.models.values()), PostgresLeaderships(url), side.registry
        )
        for name, work in (
            ("relay", relay.run()),
            ("subscription", side.subscription.run()),
            ("read models", keeping),
        ):
            await stack.enter_async_context(background.running(name, work))
        dispatcher = Dispatcher(log.store, log.codec)
        if demo:
            issued = await set_up_demo(dispatcher, log.vault, data_dir)
            await side.progress.at_least("directory", issued, DIRECTORY_SECONDS_MAX)
        worker = await stack.enter_async_context(
            agent_worker(settings, log, side.queries, dispatcher, app, engines.nats.url("app"))
        )
        await stack.enter_async_context(background.running("agents", worker.run()))
        live = LiveHub(app)
        await live.start()
        stack.push_async_callback(live.stop)
        metrics = _metrics(SystemCollector(known, relay, side.subscription, side.progress))
        operator_key = _operator_key(data_dir)
        health = _health(log, side, app, relay)
        api = _api_doors(log, side, dispatcher, live, metrics, health, operator_key)
        http = settings.http
        port = await stack.enter_async_context(
            serving(create_app(api), host=http.host, port=http.port, draining=api.draining)
        )
        opened = _doors(data_dir, engines, f"http://{http.host}:{port}", operator_key)
        stack.enter_context(_announced(data_dir, opened))
        settle_garbage()
        ready(opened)
        await _either(stop, background.failed)
    if background.failed.is_set():
        raise Unavailable("A part of the system has failed for good; the lines above say which.")


def _metrics(system: SystemCollector) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(system)
    return registry


@contextmanager
def _announced(data_dir: DataDir, doors: Doors) -> Iterator[None]:
    """`connect.json` is there as long as the doors are open."""
    data_dir.write_private(CONNECT_FILE, msgspec.json.encode(doors).decode())
    try:
        yield
    finally:
        (data_dir.path / CONNECT_FILE).unlink(missing_ok=True)


def _nats(engines: Engines, user: str) -> AbstractAsyncContextManager[Client]:
    return connected_nats(engines.nats.address, user, engines.nats.password(user))


def _api_doors(
    log: Log,
    side: ReadSide,
    dispatcher: Dispatcher,
    live: LiveHub,
    metrics: CollectorRegistry,
    health: Mapping[str, HealthCheck],
    operator_key: str,
) -> ApiDoors:
    described = msgspec.json.encode(document())
    return ApiDoors(
        dispatcher=dispatcher,
        conversations=side.queries.conversations,
        documents=side.queries.documents,
        search=side.queries.search,
        usage=side.queries.usage,
        feed=side.queries.feed,
        directory=side.queries.directory,
        log=log.reader,
        live=live,
        vault=log.vault,
        projections=side.door,
        health=health,
        metrics=metrics,
        asyncapi=lambda: described,
        operator_token_hash=token_hash(operator_key),
    )


def _health(log: Log, side: ReadSide, client: Client, relay: Relay) -> dict[str, HealthCheck]:
    async def postgres() -> None:
        await log.store.head()

    async def nats() -> None:
        await client.flush(timeout=2)

    async def relaying() -> None:
        if relay.stopped_because is not None:
            raise relay.stopped_because

    return {
        "postgres": postgres,
        "nats": nats,
        "relay": relaying,
        "clickhouse": side.clickhouse.ping,
        "qdrant": side.qdrant.ping,
    }


def _doors(data_dir: DataDir, engines: Engines, http_url: str, operator_key: str) -> Doors:
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
    )


def _operator_key(data_dir: DataDir) -> str:
    key = data_dir.read_private("operator.key")
    if key is None:
        key = f"aigop_{secrets.token_hex(32)}"
        data_dir.write_private("operator.key", key)
    return key


@contextmanager
def _signals() -> Iterator[asyncio.Event]:
    """An event that SIGINT and SIGTERM set."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    both = (signal.SIGINT, signal.SIGTERM)
    for one in both:
        loop.add_signal_handler(one, stop.set)
    try:
        yield stop
    finally:
        for one in both:
            loop.remove_signal_handler(one)


async def _either(*events: asyncio.Event) -> None:
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for one in waiting:
        one.cancel()
