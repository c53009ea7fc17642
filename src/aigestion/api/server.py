"""The HTTP server, in the process's own event loop."""

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import uvicorn
from litestar import Litestar

from aigestion.api.body import BODY_BYTES_MAX
from aigestion.api.connection import CONNECTIONS_MAX, IDLE_SECONDS_MAX, Connection
from aigestion.api.system_limits import allow_descriptors, cut_unread
from aigestion.kernel.errors import Misconfigured

DESCRIPTORS_MAX = CONNECTIONS_MAX + 2_048
"""Those of the connections, and of files and engines."""
DRAIN_SECONDS_MAX = 3
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
    with _bound(host, port) as listener:
        server = _Server(_settings(app))
        task = asyncio.create_task(server.serve(sockets=[listener]), name="http server")
        try:
            while not server.started:
                if task.done():
                    task.result()
                await asyncio.sleep(POLL_SECONDS)
            yield int(listener.getsockname()[1])
        finally:
            draining.set()
            await asyncio.sleep(notice_seconds)
            server.should_exit = True
            await asyncio.wait({task}, timeout=2 * DRAIN_SECONDS_MAX)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """What to do about signals is the process's to say."""
        yield


def _settings(app: Litestar) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=Connection,
        ws="websockets-sansio",
        ws_max_size=2 * BODY_BYTES_MAX,  # what is larger than a body is told so, within reason
        ws_per_message_deflate=False,
        interface="asgi3",
        lifespan="off",
        backlog=CONNECTIONS_MAX,
        timeout_keep_alive=IDLE_SECONDS_MAX,
        timeout_graceful_shutdown=DRAIN_SECONDS_MAX,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
    )


@contextmanager
def _bound(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that nobody else shares."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        cut_unread(listener)
        try:
            listener.bind((host, port))
        except OSError as error:
            raise Misconfigured(_why(error, host, port)) from None
        yield listener


def _why(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} on {host} is taken by another program; choose one with --port."
    return f"Cannot listen on {host}:{port}: {error.strerror}."
