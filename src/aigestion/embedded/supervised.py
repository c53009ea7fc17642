"""A supervised engine: started, watched, started again when it dies, ended when we end."""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

import msgspec

from aigestion.embedded import log_file
from aigestion.embedded.pid_file import StopSignals, end_leftover
from aigestion.embedded.process import Command, failed, spawn
from aigestion.kernel.cancellation import heed_cancellation

READY_POLL_SECONDS = 0.01
READY_NOTICE_SECONDS = 5.0
CHECK_SECONDS = 5.0
SICK_CHECKS_MAX = 3
"""An engine that says so often in a row that it is not well is started again."""
RESTART_PAUSE_SECONDS_MIN = 0.1
RESTART_PAUSE_SECONDS_MAX = 5.0
STEADY_SECONDS = 30.0
"""After running this long, the next pause before a restart is the shortest again."""

_log = logging.getLogger(__name__)


class State(StrEnum):
    STOPPED = "stopped"
    STARTING = "starting"
    READY = "ready"
    FAILED = "failed"
    """It has ended; it is started again after a pause."""


class Exit(msgspec.Struct, frozen=True):
    """An end nobody asked for."""

    code: int
    """The exit code; `-n`: killed by signal n."""
    at: datetime
    last_words: str


class EngineStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What `doctor` wants to know."""

    engine: str
    state: State
    pid: int | None
    restarts: int
    last_exit: Exit | None
    log: Path


class Supervised:
    """One engine. `start` once; then it is kept running until `stop`."""

    def __init__(
        self,
        command: Command,
        *,
        ready: Callable[[int], Awaitable[bool]],
        ready_seconds_max: float,
        stop_signals: StopSignals,
        prepare: Callable[[], None] = lambda: None,
        well: Callable[[int], Awaitable[bool]] | None = None,
    ) -> None:
        """`ready` and `well` get the pid. `prepare` runs before each start, when no former one lives.

        `well` is asked every `CHECK_SECONDS`, for engines that can fall ill without dying.
        """
        self._command = command
        self._ready = ready
        self._ready_seconds_max = ready_seconds_max
        self._stop_signals = stop_signals
        self._prepare = prepare
        self._well = well
        self._state = State.STOPPED
        self._process: asyncio.subprocess.Process | None = None
        self._said_before = 0
        self._restarts = 0
        self._last_exit: Exit | None = None
        self._watch: asyncio.Task[None] | None = None

    def status(self) -> EngineStatus:
        running = self._process is not None and self._process.returncode is None
        return EngineStatus(
            engine=self._command.engine,
            state=self._state,
            pid=self._process.pid if running and self._process else None,
            restarts=self._restarts,
            last_exit=self._last_exit,
            log=self._command.log,
        )

    async def start(self) -> None:
        """End what an earlier run left behind, start, wait until ready.

        Raises `Unavailable` with the engine's last words if it ends instead, or takes too long.
        """
        try:
            await self._launch()
        except BaseException:
            self._state = State.STOPPED
            raise
        self._watch = asyncio.create_task(self._keep_running(), name=f"keep {self._command.engine}")

    async def stop(self) -> None:
        """Ask it to end, and insist if it does not."""
        if self._watch is not None:
            self._watch.cancel()
            with suppress(asyncio.CancelledError):
                await self._watch
            self._watch = None
        await self._end()
        self._state = State.STOPPED

    async def _launch(self) -> None:
        command = self._command
        self._state = State.STARTING
        await end_leftover(command.pid_file, command.argv[0], self._stop_signals)
        self._prepare()
        log_file.bound(command.log)
        self._said_before = command.log.stat().st_size if command.log.exists() else 0
        self._process = await spawn(command)
        try:
            await self._until_ready(self._process)
        except BaseException:
            await self._end()
            raise
        self._state = State.READY

    async def _until_ready(self, process: asyncio.subprocess.Process) -> None:
        now = asyncio.get_running_loop().time
        notice, deadline = now() + READY_NOTICE_SECONDS, now() + self._ready_seconds_max
        while not await self._ready(process.pid):
            if process.returncode is not None:
                what = f"did not start, it ended with {process.returncode}"
                raise failed(self._command, what, self._said_before)
            if now() > deadline:
                what = f"was not ready after {self._ready_seconds_max:g} s"
                raise failed(self._command, what, self._said_before)
            if now() > notice:
                notice += READY_NOTICE_SECONDS
                said = log_file.last_words(self._command.log, self._said_before)
                _log.info("%s is not ready yet: %s", self._command.engine, said)
            await asyncio.sleep(READY_POLL_SECONDS)

    async def _keep_running(self) -> None:
        engine, pause = self._command.engine, RESTART_PAUSE_SECONDS_MIN
        now = asyncio.get_running_loop().time
        while True:
            heed_cancellation()
            since = now()
            await self._until_ended()
            if now() - since > STEADY_SECONDS:
                pause = RESTART_PAUSE_SECONDS_MIN
            await asyncio.sleep(pause)
            pause = min(2 * pause, RESTART_PAUSE_SECONDS_MAX)
            self._restarts += 1
            try:
                await self._launch()
                _log.warning("%s runs again", engine)
            except Exception as error:  # whatever it is, an engine is never given up
                self._note_end()
                _log.error("%s does not come back: %s", engine, error)

    async def _until_ended(self) -> None:
        """Wait for its end, or bring it about when it is ill; meanwhile keep its log in bounds."""
        process, sick = self._process, 0
        if process is None:
            return
        ended = asyncio.ensure_future(process.wait())
        try:
            while not (await asyncio.wait({ended}, timeout=CHECK_SECONDS))[0]:
                log_file.bound(self._command.log)
                sick = 0 if self._well is None or await self._well(process.pid) else sick + 1
                if sick >= SICK_CHECKS_MAX:
                    _log.error("%s is ill, it is started again", self._command.engine)
                    await self._end()
        finally:
            ended.cancel()
        self._note_end()
        if (last := self._last_exit) is not None:
            said = last.last_words
            _log.error("%s ended (%s); it said last: %s", self._command.engine, last.code, said)

    def _note_end(self) -> None:
        """It has ended, or has not even started; who waits for its end waits for the next one's."""
        self._state = State.FAILED
        process, self._process = self._process, None
        if process is not None:
            words = log_file.last_words(self._command.log, self._said_before)
            self._last_exit = Exit(process.returncode or 0, datetime.now(UTC), words)

    async def _end(self) -> None:
        """Send one signal after the other until it has ended; the last is SIGKILL."""
        process = self._process
        if process is None:
            return
        for stop_signal, patience_seconds in (*self._stop_signals, (signal.SIGKILL, None)):
            with suppress(ProcessLookupError):
                process.send_signal(stop_signal)
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), patience_seconds)
                return
