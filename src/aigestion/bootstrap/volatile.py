"""What may be lost at any moment: the read cache and the counts of the rate limiter."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aigestion.api.doors import HealthCheck
from aigestion.bootstrap.log import Log
from aigestion.ratelimit.memory import MemoryRateLimiter
from aigestion.ratelimit.port import RateLimiter
from aigestion.ratelimit.routes import RouteLimits
from aigestion.ratelimit.strangers import Strangers
from aigestion.ratelimit.valkey import ValkeyRateLimiter
from aigestion.readcache.cached import Cached
from aigestion.readcache.memory import MemoryReadCache
from aigestion.readcache.valkey import ValkeyReadCache
from aigestion.settings import Settings
from aigestion.settings_groups import Limits
from aigestion.valkey.client import opened_valkey

_BORN = "SELECT extract(epoch FROM applied_at)::text FROM log.migrations WHERE version = 1"


@dataclass(frozen=True, kw_only=True)
class Volatile:
    """Without it everything works, slower; except what may not go on uncounted."""

    cached: Cached
    limiter: RouteLimits | None
    health: Mapping[str, HealthCheck] = field(default_factory=dict)


@asynccontextmanager
async def opened_volatile(settings: Settings, log: Log) -> AsyncIterator[Volatile]:
    """In Valkey, shared by all processes of this log, if settings name one; else in this process."""
    url, limits = settings.valkey_url, settings.limits
    if url is None:
        yield Volatile(
            cached=Cached(MemoryReadCache()), limiter=_limiter(limits, MemoryRateLimiter())
        )
        return
    async with opened_valkey(url.get_secret_value()) as client:
        # Two logs of one name, one after the other, have the same positions: each has its own birth.
        namespace = f"{settings.log.name}:{await log.pool.fetchval(_BORN)}"

        async def ping() -> None:
            await client.ping()

        yield Volatile(
            cached=Cached(ValkeyReadCache(client, namespace=namespace)),
            limiter=_limiter(limits, ValkeyRateLimiter(client, namespace=namespace)),
            health={"valkey": ping},
        )


def _limiter(limits: Limits, store: RateLimiter) -> RouteLimits | None:
    if not limits.enabled:
        return None
    return RouteLimits(
        store,
        per_minute={
            "read": limits.read_per_minute,
            "write": limits.write_per_minute,
            "expensive": limits.expensive_per_minute,
        },
        tenant_factor=limits.tenant_factor,
        strangers=Strangers(
            failures_per_minute=limits.failures_per_minute,
            trusted_proxies=[str(network) for network in limits.trusted_proxies],
        ),
    )
