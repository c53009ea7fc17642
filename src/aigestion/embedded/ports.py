"""Ports of the loopback: free ones for the engines, the same as last time if possible."""

import errno
import os
import secrets
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from aigestion.kernel.errors import Misconfigured, Unavailable

LOOPBACK = "127.0.0.1"
TRIES_MAX = 3
KEPT_PORTS = range(20_000, 32_768)
"""Below those that systems hand out by themselves: none of these is taken between looking and listening
by a connection that goes out, or by a server that does not care where it listens."""
LOOKS_MAX = 20


def free_port(preferred: int = 0) -> int:
    """`preferred` if nobody listens on it, else any free port of the loopback, of `KEPT_PORTS` if possible."""
    for port in (preferred, *(secrets.choice(KEPT_PORTS) for _ in range(LOOKS_MAX))):
        with suppress(OSError):
            if port:
                return _bound(LOOPBACK, port)
    return _bound(LOOPBACK, 0)


def check_free(host: str, port: int) -> None:
    """`Misconfigured` if a server cannot listen there."""
    try:
        _bound(host, port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            reason = "another program listens there. Stop that one"
        else:
            reason = f"{os.strerror(error.errno or 0)}. Change that"
        raise Misconfigured(
            f"Port {port} of {host} cannot be used, {reason}, or choose another with --port."
        ) from error


async def on_kept_port(remembered: Path, start: Callable[[int], Awaitable[None]]) -> int:
    """Start a server on the port in the file `remembered` if it is still free, else on another.

    Between looking and listening somebody may take it; then the next one is tried.
    """
    port = free_port(_read(remembered))
    for _ in range(TRIES_MAX - 1):
        try:
            await start(port)
            break
        except Unavailable:
            if free_port(port) == port:
                raise
            port = free_port()
    else:
        await start(port)
    remembered.write_text(f"{port}\n")  # noqa: ASYNC240
    return port


def _read(remembered: Path) -> int:
    try:
        port = int(remembered.read_text())
    except (FileNotFoundError, ValueError):
        return 0
    return port if 0 < port < 65536 else 0


def _bound(host: str, port: int) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        # As servers do: connections of a former server that are still fading away do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
        return int(probe.getsockname()[1])
