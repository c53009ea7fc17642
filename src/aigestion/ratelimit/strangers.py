"""Who comes without a valid key: known by the address of the connection alone, and bounded by it."""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from aigestion.ratelimit.memory import MemoryRateLimiter
from aigestion.ratelimit.port import Decision, Window

FAILURES_PER_MINUTE = 120
HOPS_MAX = 10
"""How many proxies behind each other are believed."""
IPV6_PREFIX_BITS = 64
"""Whoever has one IPv6 address has all that share these bits with it."""
ADDRESSES_REMEMBERED_MAX = 4_096
UNKNOWN = "unknown"

_GROUP = "strangers"


class Strangers:
    """Counts failures by address, in this process: a flood of them costs nobody a trip to a store.

    `X-Forwarded-For` is what the sender likes to say of itself; it is believed only as far as proxies
    whose networks are named here have written it, from its end.
    """

    def __init__(
        self,
        *,
        failures_per_minute: int = FAILURES_PER_MINUTE,
        trusted_proxies: Sequence[str] = (),
        counts: MemoryRateLimiter | None = None,
    ) -> None:
        self._failures = failures_per_minute
        self._trusted = [ip_network(one) for one in trusted_proxies]
        self._counts = counts or MemoryRateLimiter()
        self._any = False

    @property
    def any(self) -> bool:
        """Whether there has been a failure at all."""
        return self._any

    def full(self, address: str) -> bool:
        """Whether this address has had all its failures."""
        return self._counts.full(_GROUP, self._window(address))

    def failed(self, address: str) -> Decision:
        """Count one failure, if there is still room for one."""
        self._any = True
        return self._counts.decide_now(_GROUP, [self._window(address)])

    def address(self, peer: str, forwarded_for: Sequence[str] = ()) -> str:
        """Whom a connection from this peer stands for, given the `X-Forwarded-For` lines it brought."""
        if self._trusted and forwarded_for:
            peer = self._believed(peer, forwarded_for)
        return _told_apart(peer)

    def _believed(self, peer: str, forwarded_for: Sequence[str]) -> str:
        hops = [hop.strip() for line in forwarded_for for hop in line.split(",")]
        for hop in reversed(hops[-HOPS_MAX:]):
            if not self._trusts(peer) or _parsed(hop) is None:
                return peer
            peer = hop
        return peer

    def _trusts(self, peer: str) -> bool:
        address = _parsed(peer)
        return address is not None and any(
            address in network for network in self._trusted if network.version == address.version
        )

    def _window(self, address: str) -> Window:
        return Window(address, self._failures, 60.0)


@lru_cache(maxsize=ADDRESSES_REMEMBERED_MAX)
def _told_apart(peer: str) -> str:
    address = _parsed(peer)
    if address is None:
        return UNKNOWN
    if isinstance(address, IPv6Address):
        return str(ip_network((int(address), IPV6_PREFIX_BITS), strict=False))
    return str(address)


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    """An address, also with a port or in brackets; IPv4 written as IPv6 is IPv4."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
