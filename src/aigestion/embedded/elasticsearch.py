"""Elasticsearch, for who wants to see it locally and for tests: a real server, on the loopback, with a password."""

import asyncio
import base64
import fcntl
import hashlib
import shutil
import signal
from contextlib import suppress
from functools import partial
from pathlib import Path

from aigestion.embedded.datadir import DataDir
from aigestion.embedded.elasticsearch_configuration import (
    HEAP_MIB,
    QUICK_TO_START,
    USER,
    configuration,
)
from aigestion.embedded.elasticsearch_home import VERSIONS, Home, prepared_home
from aigestion.embedded.pid_file import wait_until
from aigestion.embedded.ports import LOOPBACK, on_kept_port
from aigestion.embedded.privileges import STATE, EngineUser, engine_user
from aigestion.embedded.process import Command
from aigestion.embedded.supervised import EngineStatus, Supervised
from aigestion.private_file import write_private

NEWEST = VERSIONS[-1]
READY_SECONDS_MAX = 300.0
HEALTH_TIMEOUT_SECONDS = 5.0
STOP_SIGNALS = ((signal.SIGTERM, 20.0),)
LEFT_SECONDS_MAX = 10.0
"""How long the server goes on after its launcher was killed: it notices by itself."""
_HEALTH = "/_cluster/health"
_WITH_ITS_INDICES = f"{_HEALTH}?wait_for_status=yellow&timeout=1s"


class EmbeddedElasticsearch:
    """One server on one locked data dir. Once started, `url` leads to it."""

    def __init__(
        self,
        data_dir: DataDir,
        version: str = NEWEST,
        user: EngineUser | None = None,
        *,
        heap_mib: int = HEAP_MIB,
    ) -> None:
        self.port = 0
        self.version = version
        self._data_dir = data_dir
        self._user = user or engine_user()
        self.folder = _folder(data_dir, self._user)
        self._heap_mib = heap_mib
        self._server: Supervised | None = None

    @property
    def password(self) -> str:
        """The password of `USER`."""
        return self._data_dir.secret("elasticsearch")

    @property
    def url(self) -> str:
        """The URL with the credential."""
        return f"http://{USER}:{self.password}@{LOOPBACK}:{self.port}"

    async def start(self) -> None:
        """Fetch the server if it was never fetched, start it and wait until it answers.

        The port stays the same as long as nobody else takes it. Raises `Unavailable`, `Misconfigured`.
        """
        home = await prepared_home(self.version, self._user)
        for former in self.folder.parent.glob(_of_path(self._data_dir, "*")):
            if former != self.folder:
                shutil.rmtree(former, ignore_errors=True)
        self._user.give(self.folder)
        remembered = self._data_dir.run / "elasticsearch.port"
        self.port = await on_kept_port(remembered, partial(self._start, home))

    async def stop(self) -> None:
        """Write everything and end."""
        if self._server is not None:
            await self._server.stop()

    def status(self) -> EngineStatus | None:
        """None before the first start."""
        return self._server.status() if self._server else None

    async def _start(self, home: Home, port: int) -> None:
        folder = self.folder
        self._write_configuration(home, port)
        await wait_until(lambda: not _is_locked(folder / "data/node.lock"), LEFT_SECONDS_MAX)
        self._server = Supervised(
            Command(
                engine="elasticsearch",
                argv=_launcher(home, folder),
                folder=home.elasticsearch,
                user=self._user,
                pid_file=self._data_dir.run / "elasticsearch.pid",
                log=self._data_dir.logs / "elasticsearch.log",
                death_signal=signal.SIGTERM,
                environment={"ES_TMPDIR": str(folder / "tmp"), "LC_ALL": "C.UTF-8"},
            ),
            ready=lambda pid: self._answers(port, _WITH_ITS_INDICES),
            ready_seconds_max=READY_SECONDS_MAX,
            stop_signals=STOP_SIGNALS,
            well=lambda pid: self._answers(port),
        )
        await self._server.start()

    def _write_configuration(self, home: Home, port: int) -> None:
        folder, heap_mib = self.folder, self._heap_mib
        files = configuration(
            home.elasticsearch, folder, port=port, password=self.password, heap_mib=heap_mib
        )
        shutil.rmtree(folder / "tmp", ignore_errors=True)
        for name in ("config", "data", "logs", "tmp"):
            self._user.give(folder / name)
        for name, text in files.items():
            write_private(folder / "config" / name, text.encode(), self._user.owner)

    async def _answers(self, port: int, path: str = _HEALTH) -> bool:
        """Whether it lets us in and has elected itself."""
        try:
            async with asyncio.timeout(HEALTH_TIMEOUT_SECONDS):
                return b" 200 " in await _first_line(port, path, f"{USER}:{self.password}")
        except (OSError, TimeoutError):
            return False


def _folder(data_dir: DataDir, user: EngineUser) -> Path:
    """Its own folder; for root, one outside of the data dir, which is closed to whom it runs as.

    Unlike other engines it insists on walking there. That folder belongs to this data dir and to no later
    one at the same path: what former ones left is removed.
    """
    if user.owner is None:
        return data_dir.elasticsearch
    return STATE / _of_path(data_dir, _short(data_dir.secret("elasticsearch-folder")))


def _of_path(data_dir: DataDir, name: str) -> str:
    return f"elasticsearch-{_short(str(data_dir.path))}-{name}"


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _launcher(home: Home, folder: Path) -> tuple[str, ...]:
    """What its script `bin/elasticsearch` runs in the end: Java that starts and watches another Java."""
    elasticsearch = home.elasticsearch
    return (
        str(home.java),
        *(QUICK_TO_START, "-Xms4m", "-Xmx64m", "-XX:+UseSerialGC"),
        "-Dcli.name=server",
        f"-Dcli.script={elasticsearch}/bin/elasticsearch",
        "-Dcli.libs=lib/tools/server-cli",
        f"-Des.path.home={elasticsearch}",
        f"-Des.path.conf={folder}/config",
        "-Des.distribution.type=zip",
        "-Des.java.type=ES_JAVA_HOME",
        *("-cp", f"{elasticsearch}/lib/*:{elasticsearch}/lib/cli-launcher/*"),
        "org.elasticsearch.launcher.CliToolLauncher",
    )


def _is_locked(path: Path) -> bool:
    """Whether a server that we started, and whose launcher was killed, is still at work there."""
    try:
        with path.open("r+b") as file:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


async def _first_line(port: int, path: str, credential: str) -> bytes:
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    try:
        encoded = base64.b64encode(credential.encode()).decode()
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            f"Authorization: Basic {encoded}\r\n\r\n".encode()
        )
        return await reader.readline()
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
