"""What the operating system must allow, and end, where many connections are open for long."""

import logging
import os
import resource
import socket
import stat
from contextlib import suppress
from pathlib import Path

UNREAD_SECONDS_MAX = 60.0
"""How long a connection lives whose other side takes nothing: longer than a stream waits for its reader."""

_log = logging.getLogger(__name__)


def allow_descriptors(wanted: int) -> None:
    """Let this process open so many files: many systems start it with 1,024, and let it ask for more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < wanted:
        _log.warning(
            "Only %d files may be open here; serving all connections may take %d (ulimit -Hn).",
            allowed,
            wanted,
        )


def cut_unread(port: int, seconds: float = UNREAD_SECONDS_MAX) -> None:
    """Tell the kernel to end connections to this port whose other side takes nothing for so long.

    The server has no limit for it. Connections inherit it from the socket that listens, which is the
    server's own. Only Linux can do this; elsewhere nothing happens.
    """
    timeout = getattr(socket, "TCP_USER_TIMEOUT", None)
    open_files = Path("/proc/self/fd")
    if timeout is None or not open_files.is_dir():
        return
    for descriptor in [int(one.name) for one in open_files.iterdir()]:
        with suppress(OSError):
            if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                _cut_if_listening(descriptor, port, int(seconds * 1000), timeout)


def _cut_if_listening(descriptor: int, port: int, milliseconds: int, option: int) -> None:
    with socket.fromfd(descriptor, socket.AF_INET, socket.SOCK_STREAM) as one:
        address = one.getsockname()
        listens = one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        if listens and isinstance(address, tuple) and address[1] == port:
            one.setsockopt(socket.IPPROTO_TCP, option, milliseconds)
