"""Starting the throw-away system, and ending it."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from aigestion.embedded.ports import LOOPBACK, free_port
from aigestion.embedded.postgres import EmbeddedPostgres
from aigestion.kernel.errors import Unavailable
from aigestion.prove.broker import Broker
from aigestion.prove.forked import FORK_SERVER, fork_server
from aigestion.prove.machine import small_disk
from aigestion.prove.node import Node
from aigestion.prove.postgres_disk import SETTINGS_ON_SMALL_DISK, on_small_disk
from aigestion.prove.stand_ins import LocalServer, Provider, clickhouse_door, qdrant_door
from aigestion.prove.system import ROLES, System
from aigestion.prove.wire import Address, Wire, through

BROKER_DISK_MEBIBYTES = 256
_PASSED_ON = ("PATH", "PYTHONPATH", "VIRTUAL_ENV", "HOME", "SSL_CERT_FILE")


@asynccontextmanager
async def running_system(
    folder: Path,
    kinds: Sequence[str] = (),
    program: Sequence[str] = FORK_SERVER,
    roles: Mapping[str, tuple[str, ...]] = ROLES,
) -> AsyncIterator[System]:
    """Everything started and ready inside the block; all of it ended, and only that, after it.

    It is made for these `kinds` of faults; `program` is the fork server that every process comes from,
    `roles` says what each is told to be.
    `Misconfigured` or `Unavailable` says what cannot start.
    """
    provider = Provider()
    system = System(folder, provider)
    async with AsyncExitStack() as stack:
        stack.enter_context(system.data_dir.locked())
        servers = [LocalServer(one) for one in (provider.respond, clickhouse_door, qdrant_door)]
        for server in servers:
            await stack.enter_async_context(server)
        system.provider_url = servers[0].url
        if "disk-full" in kinds:
            system.data_dir.nats.mkdir(mode=0o700)
            stack.enter_context(small_disk(system.data_dir.nats, BROKER_DISK_MEBIBYTES))
        if "postgres-disk-full" in kinds:
            await _postgres_on_small_disk(system, stack)
        else:
            system.postgres = EmbeddedPostgres(system.data_dir)
        system.broker = Broker(system.data_dir)
        stack.push_async_callback(system.postgres.stop)
        stack.push_async_callback(system.broker.stop)
        forks = stack.enter_async_context(fork_server(folder, _passed_on(), program))
        _, _, system.forks = await asyncio.gather(
            system.postgres.start(), system.broker.start(), forks
        )
        system.environment = _environment(system, [server.url for server in servers])
        owner = {"AIGESTION_POSTGRES_OWNER_URL": system.postgres.owner_url}
        system.environment |= owner
        code, _, err = await system.command("migrate")
        if code != 0:
            raise Unavailable(f"The log could not be made: {err.strip()}")
        for name in owner:
            del system.environment[name]
        for name, target in _edges(system, servers[0], roles):
            wire = Wire(target, waits_idle=name.endswith("→provider"))
            system.wires[name] = await stack.enter_async_context(wire)
        _make_nodes(system, roles)
        for node in system.nodes.values():
            stack.push_async_callback(node.end)
            node.start()
        await system.ready()
        await system.broker.copy()
        yield system


async def _postgres_on_small_disk(system: System, stack: AsyncExitStack) -> None:
    """Its cluster is made where there is room, and moved."""
    system.postgres = EmbeddedPostgres(system.data_dir, settings=SETTINGS_ON_SMALL_DISK)
    try:
        await system.postgres.start()
    finally:
        await system.postgres.stop()
    stack.enter_context(on_small_disk(system.data_dir.postgres))


def _edges(
    system: System, provider: LocalServer, roles: Mapping[str, tuple[str, ...]]
) -> Iterator[tuple[str, Callable[[], Address]]]:
    """Every way from a process to a server; a server's port is looked up for each connection."""
    for name, arguments in roles.items():
        yield f"{name}→postgres", lambda: (LOOPBACK, system.postgres.port)
        yield f"{name}→nats", lambda: (LOOPBACK, system.broker.port)
        if arguments[0] == "agents":
            yield f"{name}→provider", lambda: (LOOPBACK, provider.port)


def _make_nodes(system: System, roles: Mapping[str, tuple[str, ...]]) -> None:
    folder = system.folder / "roles"
    folder.mkdir()
    for name, arguments in roles.items():
        port = free_port()
        role = arguments[0]
        door = "HTTP" if role == "api" else "OPERATIONS"
        postgres, nats = system.wires[f"{name}→postgres"], system.wires[f"{name}→nats"]
        user = "relay" if role == "relay" else "app"
        environment = {
            **system.environment,
            f"AIGESTION_{door}__PORT": str(port),
            "AIGESTION_POSTGRES_URL": through(postgres, system.postgres.runtime_url),
            "AIGESTION_NATS_URL": through(nats, system.broker.url(user)),
        }
        if role == "agents":
            url = through(system.wires[f"{name}→provider"], f"{system.provider_url}/v1")
            environment["AIGESTION_OPENAI__BASE_URL"] = url
        system.nodes[name] = Node(name, arguments, port, folder, environment, system.forks)


def _environment(system: System, urls: Sequence[str]) -> dict[str, str]:
    """What every role is told: nothing of the caller's own settings."""
    provider, clickhouse, qdrant = urls
    return {
        **_passed_on(),
        "NO_COLOR": "1",
        "AIGESTION_POSTGRES_URL": system.postgres.runtime_url,
        "AIGESTION_NATS_URL": system.broker.url("app"),
        "AIGESTION_CLICKHOUSE_URL": clickhouse,
        "AIGESTION_QDRANT_URL": qdrant,
        "AIGESTION_LOG__MASTER_KEY_FILE": str(system.folder / "master.key"),
        "AIGESTION_LOG__CHECKPOINT_KEY_FILE": str(system.checkpoint_key),
        "AIGESTION_MODELS__PROVIDER": "openai",
        "AIGESTION_OPENAI__BASE_URL": f"{provider}/v1",
        "AIGESTION_OPENAI__API": "chat",
        "AIGESTION_OPENAI__MODEL": "prove",
        "AIGESTION_OPENAI__READ_TIMEOUT_SECONDS": "2",
        "AIGESTION_OPENAI__TOTAL_TIMEOUT_SECONDS": "5",
    }


def _passed_on() -> dict[str, str]:
    return {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
