"""Tells other processes that the log has grown: a debounced NOTIFY, never inside an append.

A hint, no more: a notification may be lost, and whoever listens polls as well.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import asyncpg

from aigestion.kernel.cancellation import heed_cancellation
from aigestion.postgres import FAILED

CHANNEL = "aigestion_log"
PAUSE_SECONDS = 0.02
"""At least this long between two notifications of one process."""
CONNECT_TIMEOUT_SECONDS = 5.0
RECONNECT_SECONDS = 0.5
HEARTBEAT_SECONDS = 5.0


class LogAnnouncer:
    """Announces this process's appends: `store.on_append.append(announcer.wake)`, and `run` it."""

    def __init__(self, pool: "asyncpg.Pool[Any]") -> None:
        self._pool = pool
        self._grown = asyncio.Event()
        self._head = 0

    def wake(self, head: int) -> None:
        """Note the new head."""
        self._head = head
        self._grown.set()

    async def run(self) -> None:
        """Announce until cancelled. What cannot be announced is left to the others' polling."""
        while True:
            await self._grown.wait()
            self._grown.clear()
            with contextlib.suppress(*FAILED):
                await self._pool.execute("SELECT pg_notify($1, $2)", CHANNEL, str(self._head))
            await asyncio.sleep(PAUSE_SECONDS)


async def hear(url: str, wake: Callable[[int], None]) -> None:
    """Have `wake` called with the head other processes announce, for ever, on a connection of its own."""

    def heard(_connection: Any, _pid: int, _channel: str, payload: object) -> None:
        wake(int(str(payload)))

    while True:
        heed_cancellation()
        gone = asyncio.Event()
        with contextlib.suppress(*FAILED):
            connection = await asyncpg.connect(url, timeout=CONNECT_TIMEOUT_SECONDS)
            connection.add_termination_listener(lambda _, gone=gone: gone.set())
            try:
                await connection.add_listener(CHANNEL, heard)
                await _ended(connection, gone)
            finally:
                connection.terminate()
        await asyncio.sleep(RECONNECT_SECONDS)


async def _ended(connection: "asyncpg.Connection[Any]", gone: asyncio.Event) -> None:
    """A connection can be dead without anybody saying so: ask it. Raises when it does not answer."""
    while not gone.is_set():
        try:
            async with asyncio.timeout(HEARTBEAT_SECONDS):
                await gone.wait()
        except TimeoutError:
            await connection.execute("SELECT 1", timeout=HEARTBEAT_SECONDS)
