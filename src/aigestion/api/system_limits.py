"""What the operating system must allow, and end, where many connections are open for long."""

import logging
import resource
import socket

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


def cut_unread(listener: socket.socket) -> None:
    """Tell the kernel to end connections to this socket whose other side takes nothing for so long.

    Connections inherit it. Only Linux can do this; elsewhere nothing happens.
    """
    option = getattr(socket, "TCP_USER_TIMEOUT", None)
    if option is not None:
        listener.setsockopt(socket.IPPROTO_TCP, option, int(UNREAD_SECONDS_MAX * 1000))
