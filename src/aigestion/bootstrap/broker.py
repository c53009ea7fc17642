"""Connections to the broker that come back after every outage."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import nats
from nats.aio.client import Client

RECONNECT_SECONDS = 0.2

_log = logging.getLogger(__name__)


@asynccontextmanager
async def connected_nats(url: str, user: str, password: str) -> AsyncIterator[Client]:
    """A connection inside the block; its client never gives up."""
    client = await nats.connect(
        url,
        user=user,
        password=password,
        name=f"aigestion {user}",
        max_reconnect_attempts=-1,
        reconnect_time_wait=RECONNECT_SECONDS,
        error_cb=_report,
    )
    try:
        yield client
    finally:
        await client.close()


async def _report(error: Exception) -> None:
    """The client would log a traceback for every attempt."""
    _log.debug("broker: %s", error)
