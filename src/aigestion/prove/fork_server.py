"""A process that has imported the program already, and forks one process of it for each request.

`python -m aigestion.prove.fork_server DESCRIPTOR`: reads a JSON line a request from that socket, answers
with the child's pid, and later with how it ended. A start costs milliseconds instead of seconds; what
is forked is a process of its own as any other, in a session of its own, and dies with this one.
"""

import ctypes
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import sys
from contextlib import suppress
from datetime import datetime, timedelta, tzinfo
from typing import Any

from aigestion.kernel import clock

PROGRAM = "aigestion"
PRELOADED = (
    "aigestion.bootstrap.roles",
    "aigestion.cli.agents",
    "aigestion.cli.app",
    "aigestion.observability.logging",
    # What the program imports when it first needs it, a second each.
    *("clickhouse_connect", "openai", "qdrant_client"),
    "uvloop",
)
READ_BYTES_MAX = 65536
NUMBER_BYTES_MAX = 32
_DIE_WITH_PARENT = 1


def main(descriptor: int) -> None:
    """Serve until the other side is gone; then nothing that was forked lives."""
    door = socket.socket(fileno=descriptor)
    for name in PRELOADED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake)
    door.sendall(b"{}\n")
    children: set[int] = set()
    waiting = b""
    watched = selectors.PollSelector()  # `select` takes no descriptor above 1,023
    for one in (descriptor, woken):
        watched.register(one, selectors.EVENT_READ)
    while True:
        readable = [key.fd for key, _ in watched.select()]
        if woken in readable:
            os.read(woken, READ_BYTES_MAX)
            _reap(door, children)
        if descriptor in readable:
            chunk = door.recv(READ_BYTES_MAX)
            if not chunk:
                break
            *lines, waiting = (waiting + chunk).split(b"\n")
            for line in lines:
                pid = _forked(json.loads(line), (descriptor, woken, wake))
                children.add(pid)
                door.sendall(b'{"pid": %d}\n' % pid)
    for pid in children:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _reap(door: socket.socket, children: set[int]) -> None:
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            pid, status = ended
            children.discard(pid)
            code = os.waitstatus_to_exitcode(status)
            door.sendall(b'{"ended": %d, "code": %d}\n' % (pid, code))


def _forked(request: dict[str, Any], not_its: tuple[int, ...]) -> int:
    """The pid of a child that does what the request says; never returns in the child."""
    parent = os.getpid()
    if pid := os.fork():
        return pid
    code = 1
    try:
        _become(request, not_its, parent)
        runpy.run_module(PROGRAM, run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)


def _become(request: dict[str, Any], not_its: tuple[int, ...], parent: int) -> None:
    os.setsid()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for descriptor in not_its:
        os.close(descriptor)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
    for path, target in ((request["out"], 1), (request["err"], 2)):
        opened = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.dup2(opened, target)
        os.close(opened)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    if request["clock"]:
        _show_other_time(request["clock"])
    sys.argv = [PROGRAM, *request["arguments"]]


def _show_other_time(offset: str) -> None:
    """`kernel.clock`, where the program has the time from, is off by the seconds in this file.

    From outside the interpreter (libfaketime) it cannot be done: its `sleep` fails since 3.11.
    """
    told = os.open(offset, os.O_RDONLY)  # once: the time is asked for all the while

    class Off(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + timedelta(
                seconds=int(os.pread(told, NUMBER_BYTES_MAX, 0) or 0)
            )

    vars(clock)["datetime"] = Off


if __name__ == "__main__":
    main(int(sys.argv[1]))
