"""A NATS server a test can kill, start again, and give amnesia."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import nats
from nats.aio.client import Client

from tests.support.engines import free_port

START_SECONDS_MAX = 90


class BrokerProcess:
    """One server with JetStream on disk, always on the same port."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._port = free_port()
        self._server: subprocess.Popen[bytes] | None = None
        (home / "nats.conf").write_text(
            f'listen: "127.0.0.1:{self._port}"\n'
            f'jetstream {{ store_dir: "{home}/js", sync_interval: always }}\n'
        )

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self._port}"

    @property
    def store(self) -> Path:
        """Where its files are."""
        return self._home / "js"

    def start(self) -> None:
        self._server = subprocess.Popen(
            [Path(sys.executable).parent / "nats-server", "-c", self._home / "nats.conf"],
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + START_SECONDS_MAX
        while True:
            try:
                socket.create_connection(("127.0.0.1", self._port), 1).close()
                return
            except OSError:
                assert time.monotonic() < deadline, "nats-server did not start"
                time.sleep(0.02)

    def kill(self) -> None:
        """As `kill -9` does."""
        if self._server is not None:
            self._server.kill()
            self._server.wait(START_SECONDS_MAX)
            self._server = None

    def restart(self) -> None:
        self.kill()
        self.start()

    def remember(self) -> Callable[[], None]:
        """Copy the store of the running server; the result makes a killed server forget the rest."""
        copy = self._home / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        with self._held_still():  # else files of a batch vanish while they are copied
            shutil.copytree(self._home / "js", copy)

        def forget() -> None:
            assert self._server is None, "kill the server first"
            shutil.rmtree(self._home / "js")
            shutil.copytree(copy, self._home / "js")

        return forget

    @contextmanager
    def _held_still(self) -> Iterator[None]:
        assert self._server is not None
        self._server.send_signal(signal.SIGSTOP)
        os.waitpid(self._server.pid, os.WUNTRACED)
        try:
            yield
        finally:
            self._server.send_signal(signal.SIGCONT)


@contextmanager
def broker_process() -> Iterator[BrokerProcess]:
    """A running server of the test's own."""
    home = Path(tempfile.mkdtemp(prefix="aig-broker-"))
    process = BrokerProcess(home)
    process.start()
    try:
        yield process
    finally:
        process.kill()
        shutil.rmtree(home, ignore_errors=True)


async def _say_nothing(_: Exception) -> None:
    pass


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Client]:
    """A connection that comes back by itself, quickly."""
    connection = await nats.connect(
        url, max_reconnect_attempts=-1, reconnect_time_wait=0.05, error_cb=_say_nothing
    )
    try:
        yield connection
    finally:
        with suppress(OSError):  # What closing says when the server is gone.
            await connection.close()
