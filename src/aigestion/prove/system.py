"""The throw-away system: Postgres, NATS and every role as separate processes in a folder of their own."""

import asyncio
import json
import os
import shutil
import signal
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import asyncpg
import nats

from aigestion.embedded.datadir import DataDir
from aigestion.embedded.nats import EmbeddedNats
from aigestion.embedded.pid_file import holders
from aigestion.embedded.ports import LOOPBACK, free_port
from aigestion.embedded.postgres import EmbeddedPostgres
from aigestion.kernel.errors import Unavailable
from aigestion.prove.forked import FORK_SERVER, ForkServer, fork_server
from aigestion.prove.load import Tenant
from aigestion.prove.node import Node
from aigestion.prove.stand_ins import LocalServer, Provider, clickhouse_door, qdrant_door
from aigestion.prove.wire import Address, Wire, through

READY_SECONDS_MAX = 180.0
COMMAND_SECONDS_MAX = 300.0
POLL_SECONDS = 0.05
KEPT = ("directory", "conversations", "documents", "runs", "search")
"""The read models of the run: those in Postgres."""
STREAM = "EVENTS"
ROLES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("api-1", ("api",)),
    ("api-2", ("api",)),
    ("relay-1", ("relay",)),
    ("relay-2", ("relay",)),
    ("project-1", ("project", *KEPT)),
    ("agents-1", ("agents",)),
    ("agents-2", ("agents",)),
)
_PASSED_ON = ("PATH", "PYTHONPATH", "VIRTUAL_ENV", "HOME", "SSL_CERT_FILE")


class System:
    """All of it, running. Made by `running_system`."""

    def __init__(self, folder: Path, provider: Provider) -> None:
        self.folder = folder
        self.provider = provider
        self.data_dir = DataDir(folder / "data")
        self.provider_url = ""
        self.environment: dict[str, str] = {}
        self.nodes: dict[str, Node] = {}
        self.wires: dict[str, Wire] = {}
        """Every edge, by the name `process→server`."""
        self.postgres: EmbeddedPostgres
        self.nats: EmbeddedNats
        self.forks: ForkServer
        self._commands = 0
        self._postgres_turn = asyncio.Lock()
        self._nats_turn = asyncio.Lock()

    def of_role(self, role: str) -> list[Node]:
        return [node for name, node in self.nodes.items() if name.startswith(f"{role}-")]

    @property
    def api_urls(self) -> list[str]:
        return [node.url for node in self.of_role("api")]

    async def kill_postgres(self) -> None:
        """kill -9 the server with all its children, and start it again."""
        async with self._postgres_turn:
            _kill_tree(self.data_dir.run / "postgres.pid", "postgres")
            await self.postgres.stop()
            await self.postgres.start()

    async def kill_nats(self) -> None:
        """kill -9 the broker, and start it again."""
        async with self._nats_turn:
            await self._nats_down()
            await self.nats.start()

    async def copy_broker(self) -> None:
        """Keep a copy of the broker's files as they are now, while it works on."""
        async with self._nats_turn:
            await _copied(self._store, self._old_store)

    async def roll_back_broker(self) -> int:
        """kill -9 the broker and give it the older copy of its files; returns how many messages that lost."""
        async with self._nats_turn:
            before = await self.last_sequence() or 0
            await self._nats_down()
            await asyncio.to_thread(shutil.rmtree, self._store)
            await asyncio.to_thread(self._old_store.rename, self._store)
            await self.nats.start()
            after = await self.last_sequence() or 0
            await _copied(self._store, self._old_store)
        return max(0, before - after)

    async def empty_broker(self) -> int:
        """kill -9 the broker and start it without any files; returns how many messages that lost."""
        async with self._nats_turn:
            lost = await self.last_sequence() or 0
            await self._nats_down()
            await asyncio.to_thread(shutil.rmtree, self._store)
            await self.nats.start()
            await _copied(self._store, self._old_store)
        return lost

    async def last_sequence(self) -> int | None:
        """The broker's; None if it has no stream or does not answer."""
        with suppress(nats.errors.Error, nats.js.errors.Error, OSError, TimeoutError):
            client = await nats.connect(
                self.nats.url("app"), connect_timeout=2, allow_reconnect=False, error_cb=_quiet
            )
            try:
                return (await client.jetstream(timeout=2).stream_info(STREAM)).state.last_seq
            finally:
                await client.close()
        return None

    async def leading_relay(self) -> Node | None:
        """The relay that says it leads; a stopped one says nothing."""
        for node in self.of_role("relay"):
            if node.paused:
                continue
            _, metrics = await node.get("/metrics")
            if "\nrelay_is_leader 1.0" in metrics:
                return node
        return None

    async def cut_sessions(self, application: str) -> int:
        """End the sessions of this name in Postgres, as it does when their machine is gone; how many."""
        with suppress(OSError, TimeoutError, asyncpg.PostgresError):
            owner = await asyncpg.connect(self.postgres.owner_url, timeout=3)
            try:
                return int(await owner.fetchval(_CUT, application))
            finally:
                await owner.close()
        return 0

    async def ready(self, seconds_max: float = READY_SECONDS_MAX) -> None:
        """Wait until every process says it is; `Unavailable` names the one that does not."""
        deadline = asyncio.get_running_loop().time() + seconds_max
        for node in self.nodes.values():
            while (await node.get("/health/ready"))[0] != 200:
                if asyncio.get_running_loop().time() > deadline:
                    raise Unavailable(f"{node.name} does not get ready: {node.said()}")
                await asyncio.sleep(POLL_SECONDS)

    async def command(self, *arguments: str) -> tuple[int, str, str]:
        """(exit code, output, errors) of another `aigestion` on the same servers."""
        self._commands += 1
        out, err = (self.folder / f"command-{self._commands}.{name}" for name in ("out", "err"))
        process = await self.forks.start(
            arguments, self.environment, folder=self.folder, out=out, err=err
        )
        async with asyncio.timeout(COMMAND_SECONDS_MAX):
            code = await process.ended
        return code, out.read_text(), err.read_text()

    async def tenant(self, name: str, canary: str) -> Tenant:
        code, out, err = await self.command("tenants", "create", name, "--json")
        if code != 0:
            raise Unavailable(f"The tenant {name} could not be made: {err.strip()}")
        return Tenant(name, json.loads(out)["key"], canary)

    @property
    def _store(self) -> Path:
        return self.data_dir.nats / "store"

    @property
    def _old_store(self) -> Path:
        return self.data_dir.nats / "store.old"

    async def _nats_down(self) -> None:
        _kill_tree(self.data_dir.run / "nats.pid", "nats-server")
        await self.nats.stop()


@asynccontextmanager
async def running_system(
    folder: Path, program: Sequence[str] = FORK_SERVER
) -> AsyncIterator[System]:
    """Everything started and ready inside the block; all of it ended, and only that, after it.

    `program` is the fork server that every process of the system comes from. `Misconfigured` or
    `Unavailable` says what cannot start.
    """
    provider = Provider()
    system = System(folder, provider)
    async with AsyncExitStack() as stack:
        stack.enter_context(system.data_dir.locked())
        servers = [LocalServer(one) for one in (provider.respond, clickhouse_door, qdrant_door)]
        for server in servers:
            await stack.enter_async_context(server)
        system.provider_url = servers[0].url
        system.postgres = EmbeddedPostgres(system.data_dir)
        system.nats = EmbeddedNats(system.data_dir)
        stack.push_async_callback(system.postgres.stop)
        stack.push_async_callback(system.nats.stop)
        forks = stack.enter_async_context(fork_server(folder, _passed_on(), program))
        _, _, system.forks = await asyncio.gather(
            system.postgres.start(), system.nats.start(), forks
        )
        system.environment = _environment(system, [server.url for server in servers])
        owner = {"AIGESTION_POSTGRES_OWNER_URL": system.postgres.owner_url}
        system.environment |= owner
        code, _, err = await system.command("migrate")
        if code != 0:
            raise Unavailable(f"The log could not be made: {err.strip()}")
        for name in owner:
            del system.environment[name]
        for name, target in _edges(system, servers[0]):
            system.wires[name] = await stack.enter_async_context(Wire(target))
        _make_nodes(system)
        for node in system.nodes.values():
            stack.push_async_callback(node.end)
            node.start()
        await system.ready()
        await system.copy_broker()
        yield system


def _edges(system: System, provider: LocalServer) -> Iterator[tuple[str, Callable[[], Address]]]:
    """Every way from a process to a server; a server's port is looked up for each connection."""
    for name, arguments in ROLES:
        yield f"{name}→postgres", lambda: (LOOPBACK, system.postgres.port)
        yield f"{name}→nats", lambda: (LOOPBACK, system.nats.port)
        if arguments[0] == "agents":
            yield f"{name}→provider", lambda: (LOOPBACK, provider.port)


def _make_nodes(system: System) -> None:
    folder = system.folder / "roles"
    folder.mkdir()
    for name, arguments in ROLES:
        port = free_port()
        role = arguments[0]
        door = "HTTP" if role == "api" else "OPERATIONS"
        postgres, nats = system.wires[f"{name}→postgres"], system.wires[f"{name}→nats"]
        user = "relay" if role == "relay" else "app"
        environment = {
            **system.environment,
            f"AIGESTION_{door}__PORT": str(port),
            "AIGESTION_POSTGRES_URL": through(postgres, system.postgres.runtime_url),
            "AIGESTION_NATS_URL": through(nats, system.nats.url(user)),
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
        "AIGESTION_NATS_URL": system.nats.url("app"),
        "AIGESTION_CLICKHOUSE_URL": clickhouse,
        "AIGESTION_QDRANT_URL": qdrant,
        "AIGESTION_LOG__MASTER_KEY_FILE": str(system.folder / "master.key"),
        "AIGESTION_MODELS__PROVIDER": "openai",
        "AIGESTION_OPENAI__BASE_URL": f"{provider}/v1",
        "AIGESTION_OPENAI__API": "chat",
        "AIGESTION_OPENAI__MODEL": "prove",
        "AIGESTION_OPENAI__READ_TIMEOUT_SECONDS": "2",
        "AIGESTION_OPENAI__TOTAL_TIMEOUT_SECONDS": "5",
    }


def _passed_on() -> dict[str, str]:
    return {name: os.environ[name] for name in _PASSED_ON if name in os.environ}


def _kill_tree(pid_file: Path, program: str) -> None:
    """kill -9 whoever holds this lock: the server and its children, and nobody else."""
    for pid in _holding(pid_file, program):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _holding(pid_file: Path, program: str) -> Iterable[int]:
    return holders(pid_file, program) if pid_file.exists() else ()


async def _copied(store: Path, copy: Path) -> None:
    """Copy a folder that is being written to; files that vanish meanwhile are left out."""
    await asyncio.to_thread(shutil.rmtree, copy, ignore_errors=True)
    process = await asyncio.create_subprocess_exec(
        "cp", "-a", str(store), str(copy), stderr=asyncio.subprocess.DEVNULL
    )
    await process.wait()


async def _quiet(_error: Exception) -> None:
    """A broker that is away is what this is about."""


_CUT = """
SELECT count(*) FROM (
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1
) AS ended
"""
