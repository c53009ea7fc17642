"""Requests charged to their callers, and what the answers say of it."""

from math import ceil
from typing import Any, cast

from litestar import Request
from prometheus_client import CollectorRegistry, Counter

from aigestion.api.errors import AnyConnection
from aigestion.kernel.errors import RateLimited, Unavailable
from aigestion.ratelimit.port import Decision
from aigestion.ratelimit.routes import READ, WRITE, Charge, RouteClass, RouteLimits

CHARGE = "charge"
"""Where a route says what it costs; without, a GET is `READ` and all else is `WRITE`."""
OPERATOR = "operator"
"""Whom a request with the operator's token is charged to."""

AnyRequest = Request[Any, Any, Any]


class Charging:
    """The limits of this application; there is none of these if there are no limits."""

    def __init__(self, limits: RouteLimits, registry: CollectorRegistry) -> None:
        self._limits = limits
        self._refusals = Counter(
            "aigestion_http_limited",
            "Requests refused by a limit, or because limits could not be had (`store`).",
            ("route_class", "by"),
            registry=registry,
        )

    async def charge(
        self, request: AnyRequest, caller: str, tenant: str | None, *, cost: int | None = None
    ) -> None:
        """Charge this request; raises `RateLimited`, or `Unavailable` if the limits cannot be had.

        `cost`: in units, where it is not the route that says it.
        """
        charge = _charge(request)
        if cost is None:
            cost = charge.cost
            if charge.bytes_a_unit is not None:
                cost += _body_bytes(request) // charge.bytes_a_unit
        decision = await self._decided(caller, tenant, charge.route_class, cost)
        request.scope["rate_limit"] = decision  # type: ignore[typeddict-unknown-key]
        self._check(decision, charge.route_class)

    async def spend(self, caller: str, tenant: str, route_class: RouteClass) -> None:
        """Charge one unit for what came over a socket; raises as `charge` does."""
        self._check(await self._decided(caller, tenant, route_class, 1), route_class)

    async def _decided(
        self, caller: str, tenant: str | None, route_class: RouteClass, cost: int
    ) -> Decision:
        try:
            return await self._limits.charge(caller, tenant, route_class, cost)
        except Unavailable:
            self._refusals.labels(route_class, "store").inc()
            raise

    def _check(self, decision: Decision, route_class: RouteClass) -> None:
        if not decision.admitted:
            by = decision.window.name.partition("/")[0].partition(":")[0]
            self._refusals.labels(route_class, by).inc()
            raise _limited(decision, by)

    def crowded(self, connection: AnyConnection) -> bool:
        """Whether only keys that are known to be good may still come from this address."""
        strangers = self._limits.strangers
        return strangers.any and strangers.full(self._address(connection))

    def failed(self, connection: AnyConnection) -> None:
        """Count a bad key against where it came from; raises `RateLimited` if it was one too many."""
        decision = self._limits.strangers.failed(self._address(connection))
        if not decision.admitted:
            self._refusals.labels("none", "address").inc()
            raise _limited(decision, "address")

    def _address(self, connection: AnyConnection) -> str:
        client = connection.scope["client"]
        forwarded = connection.headers.getall("x-forwarded-for", [])
        return self._limits.strangers.address(client[0] if client else "", forwarded)


def limit_headers(decision: Decision) -> list[tuple[bytes, bytes]]:
    """`RateLimit-*` as in draft-ietf-httpapi-ratelimit-headers-07; seconds are whole, rounded up."""
    limit = decision.window.limit
    return [
        (b"ratelimit-limit", b"%d" % limit),
        (b"ratelimit-remaining", b"%d" % decision.remaining),
        (b"ratelimit-reset", b"%d" % ceil(decision.reset_seconds)),
        (b"ratelimit-policy", b"%d;w=%d" % (limit, decision.window.seconds)),
    ]


def _charge(request: AnyRequest) -> Charge:
    stated = request.route_handler.opt.get(CHARGE)
    if stated is None:
        return READ if request.method == "GET" else WRITE
    return cast(Charge, stated)


def _body_bytes(request: AnyRequest) -> int:
    """What is announced; a body of unknown length may be as long as is allowed."""
    announced = request.content_length
    if announced is None and "transfer-encoding" in request.headers:
        return cast(int, request.route_handler.resolve_request_max_body_size())
    return max(0, announced or 0)


def _limited(decision: Decision, by: str) -> RateLimited:
    seconds = max(1, ceil(decision.retry_after_seconds))
    return RateLimited(
        f"More than {decision.limit} in {decision.window.seconds:g} s for this {by}: "
        f"there is room again in {seconds} s.",
        limited_by=by,
        retry_after_seconds=seconds,
    )
