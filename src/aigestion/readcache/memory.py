"""A read cache in this process, bounded in bytes; what was not asked for longest goes first."""

import time
from collections import OrderedDict
from collections.abc import Callable

from aigestion.readcache.port import TTL_SECONDS, VALUE_BYTES_MAX

BYTES_MAX = 32 * 1024 * 1024
ENTRY_BYTES = 300
"""What an entry takes beside its key and value, about."""


class MemoryReadCache:
    """A `ReadCache`."""

    def __init__(
        self,
        *,
        bytes_max: int = BYTES_MAX,
        value_bytes_max: int = VALUE_BYTES_MAX,
        ttl_seconds: float = TTL_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bytes_max = bytes_max
        self._value_bytes_max = value_bytes_max
        self._ttl_seconds = ttl_seconds
        self._clock = clock
        self._entries: OrderedDict[str, tuple[bytes, float]] = OrderedDict()
        self.bytes = 0
        """What all entries take."""

    async def get(self, key: str) -> bytes | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        value, expires = entry
        if expires <= self._clock():
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return value

    async def put(self, key: str, value: bytes) -> None:
        if key in self._entries:
            self._drop(key)
        if len(value) > min(self._value_bytes_max, self._bytes_max):
            return
        self._entries[key] = value, self._clock() + self._ttl_seconds
        self.bytes += _size(key, value)
        while self.bytes > self._bytes_max:
            self._drop(next(iter(self._entries)))

    def _drop(self, key: str) -> None:
        value, _ = self._entries.pop(key)
        self.bytes -= _size(key, value)


def _size(key: str, value: bytes) -> int:
    return len(key) + len(value) + ENTRY_BYTES
