"""A network between a test and a server that fails on request."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from aigestion.prove.wire import Wire, through


@asynccontextmanager
async def network_to(url: str) -> AsyncIterator[tuple[Wire, str]]:
    """A wire to the server of a DSN, and the DSN that leads through it."""
    parts = urlsplit(url)
    async with Wire(lambda: (parts.hostname or "", parts.port or 0)) as wire:
        yield wire, through(wire, url)
