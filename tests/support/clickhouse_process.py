"""A ClickHouse server in a process of its own, for the time of a test."""

import ssl
import subprocess
import sys
import time
from contextlib import suppress
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from typing import Self
from urllib.parse import quote

from tests.support.certificates import Certificates
from tests.support.engines import free_port

START_SECONDS_MAX = 90
ROOT = Path(__file__).parents[2]


class ClickHouseProcess:
    """A server on a directory. It can be killed and started again, on the same port."""

    def __init__(
        self,
        path: Path,
        *,
        user: str = "default",
        password: str = "",
        version: str | None = None,
        certificates: Certificates | None = None,
    ) -> None:
        """`version`: what it says it is. `certificates`: for https."""
        self.path = path
        self.port = free_port()
        self.user = user
        self.password = password
        self._version = version
        self._certificates = certificates
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        scheme = "https" if self._certificates else "http"
        return f"{scheme}://{quote(self.user, safe='')}:{quote(self.password, safe='')}@127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start, and wait until it answers."""
        command = [sys.executable, "-m", "tests.support.clickhouse_server"]
        command += ["--port", str(self.port), "--path", str(self.path)]
        command += ["--user", self.user, "--password", self.password]
        command += ["--version", self._version] if self._version else []
        if self._certificates:
            command += ["--certificate", str(self._certificates.certificate)]
            command += ["--key", str(self._certificates.key)]
        # It ends when we do, however that comes: its standard input is closed then.
        command += ["--until-eof"]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE)
        deadline = time.monotonic() + START_SECONDS_MAX
        while not self._answers():
            assert self._process.poll() is None, "the ClickHouse server did not start"
            assert time.monotonic() < deadline, "the ClickHouse server does not answer"
            time.sleep(0.02)

    def stop(self) -> None:
        """Finish what runs, and end."""
        if self._process is not None:
            self._process.terminate()
            self._process.communicate(timeout=START_SECONDS_MAX)
            self._process = None

    def kill(self) -> None:
        """As kill -9 does."""
        assert self._process is not None
        self._process.kill()
        self._process.communicate(timeout=START_SECONDS_MAX)
        self._process = None

    def _answers(self) -> bool:
        with suppress(OSError):
            address = ("127.0.0.1", self.port)
            unchecked = ssl._create_unverified_context()
            connection = (
                HTTPSConnection(*address, timeout=1, context=unchecked)
                if self._certificates
                else HTTPConnection(*address, timeout=1)
            )
            connection.request("GET", "/ping")
            return connection.getresponse().status == 200
        return False
