"""The port of a read cache: bytes under a key, for a while, if it likes."""

from typing import Protocol

VALUE_BYTES_MAX = 256 * 1024
"""What is larger is not kept: it is a long page, which nobody asks for twice in a minute."""
TTL_SECONDS = 60.0
"""How long an answer is kept at most. It may hold personal text, so it does not outlive an erasure by more."""


class ReadCache(Protocol):
    """May forget anything at any time, and never raises: who asks it can do without it."""

    async def get(self, key: str) -> bytes | None:
        """What was put under this key; None if it is not there, for whatever reason."""
        ...

    async def put(self, key: str, value: bytes) -> None:
        """Keep it for at most the time to live, or not at all."""
        ...
