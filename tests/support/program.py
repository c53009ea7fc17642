"""The program as a user runs it: `aigestion …` in processes of its own, on a data dir of its own."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

DOCUMENTS = Path(__file__).with_name("documents")
"""A page or two: to embed all of the documentation takes most of a minute of both cores."""
AIGESTION = Path(sys.executable).parent / "aigestion"
READY_SECONDS_MAX = 330
"""Longer than the program itself gives its slowest engine, 300 s: then it says what did not start."""
STOP_SECONDS_MAX = 90


class Program:
    """One data dir, and the `aigestion up` that may be running on it."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("AIGESTION_")},
            "NO_COLOR": "1",
        }
        self._up: subprocess.Popen[bytes] | None = None

    def start(self, *arguments: str, documents: Path | None = DOCUMENTS) -> None:
        """Start and wait until it is ready. `documents`: of the first start; None for those that a user finds there."""
        named = {"--documents", "--no-demo"}.intersection(arguments)
        if documents is not None and not named and not self.data_dir.exists():
            arguments = (*arguments, "--documents", str(documents))
        begun = time.monotonic()
        log = (self.data_dir.parent / f"{self.data_dir.name}.up.log").open("ab")
        self._up = subprocess.Popen(
            [AIGESTION, "up", "--data-dir", self.data_dir, "--port", "0", *arguments],
            env=self.environment,
            stdout=log,
            stderr=log,
        )
        log.close()
        while not self._is_ready():
            assert self._up.poll() is None, self.output()
            assert time.monotonic() - begun < READY_SECONDS_MAX, self.output()
            time.sleep(0.05)

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        assert self._up is not None
        self._up.send_signal(signal.SIGTERM)
        try:
            code = self._up.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it does not stop:\n{self.output()}") from None
        self._up = None
        return code

    def pull_the_plug(self) -> None:
        """kill -9 of the program and of every engine it runs, at once."""
        assert self._up is not None
        for pid in (*_descendants(self._up.pid), self._up.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._up.wait()
        self._up = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Whatever happened, nothing is left behind."""
        if self._up is not None:
            self.pull_the_plug()

    def engine_pids(self) -> list[int]:
        """Direct children: the supervised engines."""
        assert self._up is not None
        return _children(self._up.pid)

    @property
    def running(self) -> bool:
        return self._up is not None and self._up.poll() is None

    def connect(self) -> dict[str, Any]:
        """The doors, as scripts find them."""
        doors: dict[str, Any] = json.loads((self.data_dir / "connect.json").read_text())
        return doors

    def cli(self, *arguments: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """Run another command beside it."""
        return subprocess.run(
            [AIGESTION, *arguments, "--data-dir", self.data_dir],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def http(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """One request with the demo key; returns status and decoded JSON."""
        doors = self.connect()
        request = urllib.request.Request(
            doors["http_url"] + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {doors['api_key']}",
                "Content-Type": "application/json",
                **{name.replace("_", "-"): value for name, value in headers.items()},
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"null")

    def output(self) -> str:
        return (self.data_dir.parent / f"{self.data_dir.name}.up.log").read_text()[-4000:]

    def _is_ready(self) -> bool:
        try:
            doors = self.connect()
            assert self._up is not None
            if doors["pid"] != self._up.pid:
                return False
            with urllib.request.urlopen(doors["http_url"] + "/health/ready", timeout=2) as answer:
                return bool(answer.status == 200)
        except (OSError, ValueError):
            return False


def _children(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return [int(child) for child in text.split()]


def _descendants(pid: int) -> list[int]:
    found = []
    for child in _children(pid):
        found += [*_descendants(child), child]
    return found
