"""A read cache in Valkey, shared by all processes; the server bounds it as a whole (`maxmemory`)."""

from typing import TYPE_CHECKING

from aigestion.kernel.errors import Unavailable
from aigestion.readcache.port import TTL_SECONDS, VALUE_BYTES_MAX
from aigestion.valkey.breaker import Breaker
from aigestion.valkey.client import breaker as new_breaker

if TYPE_CHECKING:
    from valkey.asyncio import Valkey


class ValkeyReadCache:
    """A `ReadCache`. A server that is away or slow is a miss, and after the first one costs no time.

    Its breaker is its own: a cache in trouble closes nobody's door.
    """

    def __init__(
        self,
        client: "Valkey",
        *,
        namespace: str,
        breaker: Breaker | None = None,
        value_bytes_max: int = VALUE_BYTES_MAX,
        ttl_seconds: float = TTL_SECONDS,
    ) -> None:
        self._client = client
        self._prefix = f"{namespace}:cache:"
        self._breaker = breaker or new_breaker()
        self._value_bytes_max = value_bytes_max
        self._ttl_ms = round(ttl_seconds * 1000)

    async def get(self, key: str) -> bytes | None:
        try:
            value: bytes | None = await self._breaker.call(
                lambda: self._client.get(self._prefix + key)
            )
        except Unavailable:
            return None
        return value

    async def put(self, key: str, value: bytes) -> None:
        if len(value) > self._value_bytes_max:
            return
        try:
            await self._breaker.call(
                lambda: self._client.set(self._prefix + key, value, px=self._ttl_ms)
            )
        except Unavailable:
            return
