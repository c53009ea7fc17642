"""Becomes an engine: locks its pid file, gives up root, dies with its parent, and then is the engine.

Run as a script of its own (`python -I -S launch.py …`) and not between fork and exec of the program:
there, with threads about, Python code may hang, and not every event loop offers it.
"""

import ctypes
import fcntl
import os
import sys

PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38
CANNOT_LAUNCH = 126
"""Exit code of a launch that failed before there was an engine; stderr says why."""


def main(pid_file: str, parent: str, death_signal: str, uid: str, gid: str, *command: str) -> None:
    """Never returns: is the engine, or exits with `CANNOT_LAUNCH`. A uid of -1 stays who we are."""
    _hold(pid_file)
    os.umask(0o077)
    if int(uid) >= 0:
        _give_up_root(int(uid), int(gid))
    if sys.platform == "linux":
        _die_with(int(parent), int(death_signal))
    os.execv(command[0], command)  # noqa: S606


def _hold(pid_file: str) -> None:
    """Lock the pid file and write our pid into it.

    The engine and all its children inherit the lock: it is free when the last of them is gone,
    and not a moment earlier. That is more than a pid can tell, which may be reused or a zombie's.
    """
    descriptor = os.open(pid_file, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.set_inheritable(descriptor, True)
    os.truncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())


def _give_up_root(uid: int, gid: int) -> None:
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def _die_with(parent: int, death_signal: int) -> None:
    """Ask the kernel for a signal when our parent dies. Giving up root forgets it, so it comes later."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        raise ProcessLookupError("the program that started this engine is gone")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except OSError as error:
        print(f"cannot launch {sys.argv[6]}: {error}", file=sys.stderr)
        sys.exit(CANNOT_LAUNCH)
