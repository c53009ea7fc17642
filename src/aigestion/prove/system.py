"""The throw-away system: Postgres, NATS and every role as separate processes in a folder of their own."""

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

import asyncpg

from aigestion.embedded.datadir import DataDir
from aigestion.embedded.postgres import EmbeddedPostgres
from aigestion.kernel.errors import Unavailable
from aigestion.postgres import FAILED
from aigestion.prove.broker import Broker, kill_tree
from aigestion.prove.forked import ForkServer
from aigestion.prove.harm import Harm
from aigestion.prove.load import Tenant
from aigestion.prove.node import Node
from aigestion.prove.postgres_disk import fill_disk
from aigestion.prove.stand_ins import Provider
from aigestion.prove.wire import Wire

READY_SECONDS_MAX = 180.0
COMMAND_SECONDS_MAX = 300.0
POLL_SECONDS = 0.05
KEPT = ("directory", "conversations", "documents", "runs", "search")
"""The read models of the run: those in Postgres."""
ALL_VIEWS = 2 / 3
"""Above this, a pick means every read model."""
ROLES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "api-1": ("api",),
        "api-2": ("api",),
        "relay-1": ("relay",),
        "relay-2": ("relay",),
        "project-1": ("project", *KEPT),
        "agents-1": ("agents",),
        "agents-2": ("agents",),
    }
)
"""What each process is told to be."""


class System:
    """All of it, running. Made by `running_system`."""

    def __init__(self, folder: Path, provider: Provider) -> None:
        self.folder = folder
        self.provider = provider
        self.data_dir = DataDir(folder / "data")
        self.checkpoint_key = folder / "checkpoint.key"
        self.provider_url = ""
        self.environment: dict[str, str] = {}
        self.nodes: dict[str, Node] = {}
        self.wires: dict[str, Wire] = {}
        """Every edge, by the name `process→server`."""
        self.postgres: EmbeddedPostgres
        self.broker: Broker
        self.forks: ForkServer
        self._commands = 0
        self._postgres_turn = asyncio.Lock()

    def of_role(self, role: str) -> list[Node]:
        return [node for name, node in self.nodes.items() if name.startswith(f"{role}-")]

    @property
    def api_urls(self) -> list[str]:
        return [node.url for node in self.of_role("api")]

    async def kill_postgres(self) -> None:
        """kill -9 the server with all its children, and start it again."""
        async with self._postgres_turn:
            kill_tree(self.data_dir.run / "postgres.pid", "postgres")
            await self.postgres.stop()
            await self.postgres.start()

    async def fill_postgres_disk(self, seconds: float, harm: Harm) -> None:
        """No room for the log, for so long; `harm` is told when it is met."""
        async with self._postgres_turn:
            await fill_disk(self.data_dir.postgres, self.postgres.owner_url, seconds, harm)

    async def wipe_views(self, pick: float) -> tuple[tuple[str, ...], bool]:
        """Drop the tables of one read model, or one time in three of all, behind the system's back.

        Which, and whether one of them serves or is being built: nobody looks at a retired one.
        """
        with suppress(*FAILED):
            owner = await asyncpg.connect(self.postgres.owner_url, timeout=3, command_timeout=10)
            try:
                views = await owner.fetch(_VIEWS)
                if pick < ALL_VIEWS:
                    views = views[int(pick / ALL_VIEWS * len(views)) :][:1]
                for view in views:
                    await owner.execute(f'DROP SCHEMA "{view["name"]}" CASCADE')
                return tuple(view["name"] for view in views), any(view["used"] for view in views)
            finally:
                await owner.close()
        return (), False

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
        with suppress(*FAILED):
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


_CUT = """
SELECT count(*) FROM (
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1
) AS ended
"""
_VIEWS = """
SELECT nspname AS name, EXISTS (
    SELECT FROM views.views WHERE state IN ('active', 'building')
    AND format('%s_v%s_g%s', projection, version, generation) = nspname
) AS used
FROM pg_namespace
WHERE to_regclass(quote_ident(nspname) || '.checkpoint') IS NOT NULL ORDER BY nspname
"""
