"""One process of the throw-away system: kept running, killed and stopped from outside, by its own pid only."""

import asyncio
import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from aigestion.embedded.log_file import last_words
from aigestion.prove.forked import Forked, ForkServer

RESTART_PAUSE_SECONDS = 0.2
PROBE_SECONDS_MAX = 2.0
BEGUN = " is ready: "
"""In what every role says once it works."""
LAST_LINES = 2


class Node:
    """A role as a process. It dies with the harness; when it ends it is started again, as a supervisor does."""

    def __init__(
        self,
        name: str,
        arguments: tuple[str, ...],
        port: int,
        folder: Path,
        environment: Mapping[str, str],
        forks: ForkServer,
    ) -> None:
        self.name = name
        self.port = port
        self.starts = 0
        self.paused = False
        self.ended_by_itself: list[str] = []
        """What it said last, each time it ended though it had begun its work and nobody had killed it."""
        self._arguments = arguments
        self._folder = folder
        self._log = folder / f"{name}.log"
        self._clock = folder / f"{name}.clock"
        self._environment = environment
        self._forks = forks
        self._process: Forked | None = None
        self._keeping: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        """None while there is no process."""
        process = self._process
        return None if process is None or process.ended.done() else process.pid

    def start(self) -> None:
        """Start it, and again whenever it ends."""
        self.step_clock(0)
        self._keeping = asyncio.create_task(self._keep(), name=f"keep {self.name}")

    def kill(self) -> bool:
        """kill -9; False if there was nothing to kill."""
        return self._send(signal.SIGKILL)

    def pause(self) -> bool:
        self.paused = self._send(signal.SIGSTOP)
        return self.paused

    def resume(self) -> None:
        if self.paused:
            self._send(signal.SIGCONT)
        self.paused = False

    def step_clock(self, seconds: int) -> None:
        """What it takes for the time is so far off from now on, also once it is started again."""
        self._clock.write_text(str(seconds))

    async def end(self) -> None:
        """End it for good."""
        if self._keeping is not None:
            self._keeping.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeping
        self.kill()
        if self._process is not None:
            await self._process.ended

    async def get(self, path: str) -> tuple[int, str]:
        """(status, body) of what it says itself; 0 if it does not answer."""
        try:
            async with asyncio.timeout(PROBE_SECONDS_MAX):
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                try:
                    writer.write(f"GET {path} HTTP/1.0\r\nhost: prove\r\n\r\n".encode())
                    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
                    return int(head.split(b" ")[1]), body.decode()
                finally:
                    writer.close()
        except (OSError, ValueError, LookupError, TimeoutError):
            return 0, ""

    def said(self) -> str:
        """Its last words."""
        return last_words(self._log)

    async def _keep(self) -> None:
        while True:
            since = self._log.stat().st_size if self._log.exists() else 0
            self._process = await self._forks.start(
                self._arguments,
                self._environment,
                folder=self._folder,
                out=self._log,
                err=self._log,
                clock=self._clock,
            )
            self.starts += 1
            code = await asyncio.shield(self._process.ended)
            self._note_end(code, since)
            self.paused = False
            await asyncio.sleep(RESTART_PAUSE_SECONDS)

    def _note_end(self, code: int, since: int) -> None:
        """One that could not even begin may end: it is started again until what it needs is there."""
        said = self._log.read_bytes()[since:].decode(errors="replace")
        if code != -signal.SIGKILL and BEGUN in said:
            lines = " / ".join(said.strip().splitlines()[-LAST_LINES:])
            self.ended_by_itself.append(f"{self.name} ended by itself ({code}): {lines}")

    def _send(self, what: signal.Signals) -> bool:
        if self.pid is None:
            return False
        with suppress(ProcessLookupError):
            os.kill(self.pid, what)
            return True
        return False
