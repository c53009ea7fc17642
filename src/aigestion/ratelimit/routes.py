"""What requests cost and how much of it a key and its tenant may spend in a minute."""

from collections.abc import Mapping
from typing import Literal, TypeAlias

import msgspec

from aigestion.kernel.errors import Unavailable
from aigestion.ratelimit.memory import MemoryRateLimiter
from aigestion.ratelimit.port import Decision, RateLimiter, Window
from aigestion.ratelimit.strangers import Strangers

WINDOW_SECONDS = 60.0

RouteClass: TypeAlias = Literal["read", "write", "expensive"]

PER_MINUTE: Mapping[RouteClass, int] = {"read": 6_000, "write": 1_200, "expensive": 600}
"""What one key may spend, unless it is set otherwise."""
TENANT_FACTOR = 5
"""How many times as much all keys of a tenant may spend together."""
OPEN_WITHOUT_STORE: frozenset[RouteClass] = frozenset({"read"})
"""What goes on, on a count of this process alone, when the shared count cannot be had. What makes a
model work or writes does not: a store that is down must not be a way around the limits."""


class Charge(msgspec.Struct, frozen=True):
    """What a request costs, and of which budget."""

    route_class: RouteClass
    cost: int = 1
    bytes_a_unit: int | None = None
    """So many bytes of the body cost one unit more."""


READ = Charge("read")
WRITE = Charge("write")


class RouteLimits:
    """The budgets, judged by a store of counts."""

    def __init__(
        self,
        store: RateLimiter,
        *,
        per_minute: Mapping[RouteClass, int] = PER_MINUTE,
        tenant_factor: int = TENANT_FACTOR,
        strangers: Strangers | None = None,
    ) -> None:
        self.strangers = strangers or Strangers()
        self._store = store
        self._per_minute = dict(per_minute)
        self._tenant_factor = tenant_factor
        self._local = MemoryRateLimiter()

    async def charge(
        self, caller: str, tenant: str | None, route_class: RouteClass, cost: int
    ) -> Decision:
        """Judge a request of a caller (a key's id) of a tenant, or of no tenant: the operator.

        One that costs more than there is takes all there is. Raises `Unavailable`, if the store does
        not answer, for the classes that are closed then.
        """
        limit = self._per_minute[route_class]
        windows = [Window(f"key:{caller}/{route_class}", limit, WINDOW_SECONDS)]
        if tenant is not None:
            whole = limit * self._tenant_factor
            windows.append(Window(f"tenant/{route_class}", whole, WINDOW_SECONDS))
        group, cost = tenant or "operator:", min(cost, limit)
        try:
            return await self._store.decide(group, windows, cost)
        except Unavailable:
            if route_class not in OPEN_WITHOUT_STORE:
                raise
            return self._local.decide_now(group, windows, cost)
