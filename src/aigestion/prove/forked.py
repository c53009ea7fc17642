"""The harness's side of the fork server: processes of the program, started in milliseconds."""

import asyncio
import json
import signal
import socket
import sys
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from aigestion.embedded.log_file import last_words
from aigestion.embedded.privileges import EngineUser
from aigestion.embedded.process import Command, spawn
from aigestion.kernel.errors import Unavailable

FORK_SERVER = (sys.executable, "-m", "aigestion.prove.fork_server")
READY_SECONDS_MAX = 120.0


class Forked:
    """One process; `ended` gives its exit code, `-n` if signal n ended it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()


class ForkServer:
    """Starts processes of the program. Made by `fork_server`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._asked: deque[asyncio.Future[Forked]] = deque()
        self._running: dict[int, Forked] = {}
        self._gone: Unavailable | None = None

    async def start(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        *,
        folder: Path,
        out: Path,
        err: Path,
        clock: Path | None = None,
    ) -> Forked:
        """`aigestion ARGUMENTS` in this folder, with nothing but this environment; output is appended.

        `clock`: a file that says, at any time, how many seconds the process's clock is off.
        """
        asked: asyncio.Future[Forked] = asyncio.get_running_loop().create_future()
        self._asked.append(asked)
        request = {
            "arguments": list(arguments),
            "environment": dict(environment),
            "folder": str(folder),
            "out": str(out),
            "err": str(err),
            "clock": None if clock is None else str(clock),
        }
        self._writer.write(json.dumps(request).encode() + b"\n")
        # Cancelled or not, it is started; who is cancelled here ends the whole system anyway.
        return await asked

    async def listen(self) -> None:
        """Hear what became of the processes, until the server is gone."""
        try:
            while line := await self._reader.readline():
                self._hear(json.loads(line))
        except ConnectionError:
            pass  # gone before it had read all
        self._gone = Unavailable("The process that starts the others is gone.")
        for asked in self._asked:
            if not asked.done():
                asked.set_exception(self._gone)
        for forked in self._running.values():
            forked.ended.set_result(-signal.SIGKILL)

    def _hear(self, told: dict[str, int]) -> None:
        if "pid" in told:
            forked = Forked(told["pid"])
            self._running[forked.pid] = forked
            asked = self._asked.popleft()
            if not asked.done():
                asked.set_result(forked)
        elif forked_before := self._running.pop(told.get("ended", 0), None):
            forked_before.ended.set_result(told["code"])

    async def ready(self) -> None:
        """Wait for its first line."""
        async with asyncio.timeout(READY_SECONDS_MAX):
            if not await self._reader.readline():
                raise Unavailable("The process that starts the others has ended at once.")


@asynccontextmanager
async def fork_server(
    folder: Path, environment: Mapping[str, str], program: Sequence[str] = FORK_SERVER
) -> AsyncIterator[ForkServer]:
    """One, ready, inside the block; after it, it and all it started are gone."""
    ours, its = socket.socketpair()
    command = Command(
        engine="fork server",
        argv=(*program, str(its.fileno())),
        folder=folder,
        user=EngineUser(),
        pid_file=folder / "fork-server.pid",
        log=folder / "fork-server.log",
        death_signal=signal.SIGKILL,
        environment=environment,
    )
    with its:
        process = await spawn(command, pass_fds=(its.fileno(),))
    reader, writer = await asyncio.open_connection(sock=ours)
    server = ForkServer(reader, writer)
    listening: asyncio.Task[None] | None = None
    try:
        try:
            await server.ready()
        except (Unavailable, TimeoutError) as error:
            said = last_words(command.log)
            raise Unavailable(f"The system's processes cannot be started: {said}") from error
        listening = asyncio.create_task(server.listen(), name="fork server")
        yield server
    finally:
        writer.close()
        if listening is not None:
            listening.cancel()
            with suppress(asyncio.CancelledError):
                await listening
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
