"""The HTTP server, in the process's own event loop."""

import asyncio
import errno
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server
from litestar import Litestar

from aigestion.api.connections import allow_descriptors, cut_unread
from aigestion.kernel.errors import Misconfigured

CONNECTIONS_MAX = 2_048
"""Well above the streams that may be open, so that requests still get through."""
DESCRIPTORS_MAX = CONNECTIONS_MAX + 2_048
"""Those of the connections, and of files and engines."""
START_SECONDS_MAX = 10.0
DRAIN_SECONDS_MAX = 3.0
"""How long requests under way may take to end once the server stops."""
POLL_SECONDS = 0.005


@asynccontextmanager
async def serving(
    app: Litestar,
    *,
    host: str,
    port: int,
    draining: asyncio.Event,
    notice_seconds: float = 0.0,
) -> AsyncIterator[int]:
    """Serve the app inside the block; yields the port (a free one for 0).

    On the way out: sets `draining`, which ends streams and makes `/health/ready` say no, goes on
    for `notice_seconds` so that a load balancer sees it, takes nothing new then, and lets requests
    under way end. Raises `Misconfigured` for an address that cannot be had.
    """
    allow_descriptors(DESCRIPTORS_MAX)
    port = _free(host, port)
    server = Server(
        app,
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,
        websockets=True,
        backlog=CONNECTIONS_MAX,
        backpressure=CONNECTIONS_MAX,
        http1_settings=HTTP1Settings(),
        log_enabled=False,
    )
    task = asyncio.create_task(server.serve(), name="http server")
    try:
        await _accepting(task, host, port)
        cut_unread(port)
        yield port
    finally:
        draining.set()
        await asyncio.sleep(notice_seconds)
        server.stop()  # type: ignore[no-untyped-call]
        await asyncio.wait({task}, timeout=DRAIN_SECONDS_MAX)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _free(host: str, port: int) -> int:
    """The server shares its port with whoever asks; so ask first, without sharing."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise Misconfigured(_why(error, host, port)) from None
        return int(probe.getsockname()[1])


def _why(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} on {host} is taken by another program; choose one with --port."
    return f"Cannot listen on {host}:{port}: {error.strerror}."


async def _accepting(task: asyncio.Task[None], host: str, port: int) -> None:
    """Wait until the server takes connections."""
    async with asyncio.timeout(START_SECONDS_MAX):
        while True:
            if task.done():
                task.result()
                raise Misconfigured(f"The HTTP server on {host}:{port} ended as it started.")
            try:
                _, writer = await asyncio.open_connection(host, port)
            except OSError:
                await asyncio.sleep(POLL_SECONDS)
            else:
                writer.close()
                return
