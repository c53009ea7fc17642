"""Pid files that are locked while their process lives: who runs here, and who was left behind."""

import asyncio
import contextlib
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from aigestion.kernel.errors import Misconfigured

POLL_SECONDS = 0.01
KILLED_SECONDS_MAX = 10.0
"""How long a killed process may take to be gone: its memory is given back first."""

StopSignals = Sequence[tuple[signal.Signals, float]]
"""What to send, and how many seconds to wait for the end before the next."""


def lock(path: Path) -> int | None:
    """Lock the file and write our pid into it; a descriptor that holds the lock, or None if taken."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def recorded_pid(path: Path) -> int | None:
    """The pid that was written last; it may be gone, or another process's by now."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def is_locked(path: Path) -> bool:
    """Whether the process this file is about, or a child of it, is alive."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


async def end_leftover(path: Path, program: str, stop_signals: StopSignals) -> None:
    """End what an earlier run of `program` left behind under this pid file, and nobody else.

    Returns when all of it is gone, at once if there is nothing. Raises `Misconfigured` if it stays.
    """
    for stop_signal, patience_seconds in stop_signals:
        if not is_locked(path):
            return
        leader = recorded_pid(path)
        _send(stop_signal, [pid for pid in holders(path, program) if pid == leader])
        if await wait_until(lambda: not is_locked(path), patience_seconds):
            return
    _send(signal.SIGKILL, holders(path, program))
    if not await wait_until(lambda: not is_locked(path), KILLED_SECONDS_MAX):
        raise Misconfigured(
            f"A {program} of an earlier start is still running and does not end "
            f"(process {recorded_pid(path)}): end it, and try again."
        )


def holders(path: Path, program: str) -> list[int]:
    """The processes that hold the lock.

    Linux tells exactly. Elsewhere it is the recorded one, if that still runs `program`.
    """
    if sys.platform == "linux" and (found := _lock_holders(path)):
        return found
    pid = recorded_pid(path)
    if pid is None or pid == os.getpid() or program not in _command_line(pid):
        return []
    return [pid]


async def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Poll; whether it came true in time."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not condition():
        if asyncio.get_running_loop().time() >= deadline:
            return False
        await asyncio.sleep(POLL_SECONDS)
    return True


def _lock_holders(path: Path) -> list[int]:
    """Processes with a descriptor of this file that carries a lock: to have it open is not enough."""
    wanted = path.stat()
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            with contextlib.suppress(OSError):  # it has ended, or is none of ours
                if any(_holds(process, fd.name, wanted) for fd in (process / "fd").iterdir()):
                    found.append(int(process.name))
    return found


def _holds(process: Path, descriptor: str, wanted: os.stat_result) -> bool:
    return (
        os.path.samestat((process / "fd" / descriptor).stat(), wanted)
        and "FLOCK" in (process / "fdinfo" / descriptor).read_text()
    )


def _command_line(pid: int) -> str:
    try:
        if sys.platform == "linux":
            return Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
        ps = ["/bin/ps", "-o", "command=", "-p", str(pid)]
        return subprocess.run(ps, capture_output=True, text=True, check=False).stdout  # noqa: S603
    except OSError:
        return ""


def _send(stop_signal: signal.Signals, pids: Sequence[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, stop_signal)
