"""Starting an engine's process: through the launcher, in its folder, as its user, with a clean environment."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from aigestion.embedded import launch
from aigestion.embedded.log_file import last_words, open_log
from aigestion.embedded.privileges import EngineUser
from aigestion.kernel.errors import Unavailable

_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
"""Nothing of ours: settings and secrets of this program, or PG…-variables, are not the engine's."""


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """What to run, and how."""

    engine: str
    argv: Sequence[str]
    folder: Path
    """Its current folder: entered before root is given up."""
    user: EngineUser
    pid_file: Path
    """Locked as long as the process or a child of it lives."""
    log: Path
    death_signal: signal.Signals
    """What the kernel sends it when we die."""
    environment: Mapping[str, str] = {}
    """What it gets beyond the little that all engines get."""


async def spawn(command: Command, pass_fds: Sequence[int] = ()) -> asyncio.subprocess.Process:
    """Start it. On Linux it dies with the thread that calls this: call it from one that stays."""
    log = open_log(command.log)
    uid, gid = command.user.owner or (-1, -1)
    try:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", launch.__file__),
            *(str(command.pid_file), str(os.getpid()), str(int(command.death_signal))),
            *(str(uid), str(gid)),
            *command.argv,
            cwd=command.folder,
            env={**_ENVIRONMENT, **command.environment},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=pass_fds,
            # Ctrl-C in a terminal goes to its whole process group: engines end when we say so.
            start_new_session=True,
        )
    finally:
        os.close(log)


async def run(command: Command, seconds_max: float, pass_fds: Sequence[int] = ()) -> None:
    """Run it to its end. `Unavailable`, with what it said last, if that is not a good one."""
    said_before = command.log.stat().st_size if command.log.exists() else 0
    process = await spawn(command, pass_fds)
    try:
        code = await asyncio.wait_for(process.wait(), seconds_max)
    except BaseException:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        raise
    if code != 0:
        raise failed(command, f"ended with {code}", said_before)


def failed(command: Command, what: str, said_before: int) -> Unavailable:
    """The error of an engine that does not start, with its own last words."""
    return Unavailable(
        f"{command.engine} {what}: {last_words(command.log, said_before)} (more in {command.log})",
        engine=command.engine,
    )
