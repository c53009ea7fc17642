"""The outermost layer: every answer gets a request id and safe headers, and is counted."""

import re
import time
from bisect import bisect_left
from collections.abc import Awaitable, Iterator, Mapping
from http import HTTPStatus
from itertools import accumulate
from random import getrandbits
from typing import cast

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from aigestion.api.handshake import answered_early
from aigestion.api.limits import limit_headers

UNMATCHED = "(none)"
STREAM = "text/event-stream"

_SAFE = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
_DEFAULTS = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
"""Set unless the route says otherwise."""


_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,64}")


BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds, in seconds."""


class _Timings:
    __slots__ = ("counts", "sum")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.sum = 0.0


class Metrics(Collector):
    """Counts requests and their seconds by route and method.

    Plain numbers, for there is one thread: locked ones cost four times as much, twice a request.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests: dict[tuple[str, str, int], int] = {}
        self._seconds: dict[tuple[str, str], _Timings] = {}
        registry.register(self)

    def count(self, route: str, method: str, status: int, seconds: float | None) -> None:
        """One request; `seconds` is None for a stream, which lasts as long as somebody listens."""
        key = (route, method, status)
        self._requests[key] = self._requests.get(key, 0) + 1
        timings = self._seconds.get((route, method))
        if timings is None:
            timings = self._seconds[route, method] = _Timings()
        if seconds is not None:
            timings.sum += seconds
            timings.counts[bisect_left(BUCKETS, seconds)] += 1

    def collect(self) -> Iterator[Metric]:
        """As the scrape shows it."""
        requests = CounterMetricFamily(
            "aigestion_http_requests",
            "HTTP requests answered.",
            labels=("route", "method", "status"),
        )
        for (route, method, status), count in self._requests.items():
            requests.add_metric((route, method, str(int(status))), count)
        yield requests
        seconds = HistogramMetricFamily(
            "aigestion_http_request_seconds",
            "Seconds until the answer was sent; streams are left out.",
            labels=("route", "method"),
        )
        for labels, timings in self._seconds.items():
            counts = accumulate(timings.counts)
            bounds = (*map(floatToGoString, BUCKETS), "+Inf")
            seconds.add_metric(labels, list(zip(bounds, counts, strict=True)), timings.sum)
        yield seconds


def observed(app: ASGIApp, metrics: Metrics, methods: Mapping[str, str]) -> ASGIApp:
    """The app, counted and with its headers.

    `methods`: what each route takes. Where several handlers share a path, the framework's own `Allow`
    names those of the first alone.
    """

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        request_id = _given_id(scope) or f"{getrandbits(128):032x}"
        scope["request_id"] = request_id  # type: ignore[typeddict-unknown-key]
        status, streams = 0, False

        def send_with_headers(message: Message) -> Awaitable[None]:
            nonlocal status, streams
            if message["type"] == "websocket.accept":
                status, streams = HTTPStatus.SWITCHING_PROTOCOLS, True
            elif (
                message["type"] == "http.response.start"
                or message["type"] == "websocket.http.response.start"
            ):
                status = message["status"]
                headers = [*message["headers"], *_SAFE, (b"request-id", request_id.encode())]
                given = dict(message["headers"])
                if b"allow" in given and (known := methods.get(_route(cast(HTTPScope, scope)))):
                    headers = [pair for pair in headers if pair[0] != b"allow"]
                    headers.append((b"allow", known.encode()))
                headers += [pair for pair in _DEFAULTS if pair[0] not in given]
                if "rate_limit" in scope:
                    headers += limit_headers(scope["rate_limit"])  # type: ignore[typeddict-item]
                streams = given.get(b"content-type", b"").startswith(STREAM.encode())
                message["headers"] = headers
            return send(message)

        sending: Send = send_with_headers
        if scope["type"] == ScopeType.WEBSOCKET:
            sending = answered_early(send_with_headers, scope)
        try:
            await app(scope, receive, sending)
        finally:
            seconds = None if streams else time.perf_counter() - began
            http = cast(HTTPScope, scope)
            metrics.count(_route(http), _method(http), status or 499, seconds)

    return call


def _given_id(scope: Scope) -> str | None:
    """The id that a caller, or a proxy before us, has given the request; only if it can do no harm in a log."""
    for name, value in scope["headers"]:
        if name in (b"request-id", b"x-request-id") and _REQUEST_ID.fullmatch(value):
            return value.decode()
    return None


def _route(scope: HTTPScope) -> str:
    return str(scope.get("path_template") or UNMATCHED)


SOCKET = "WEBSOCKET"
_METHODS = frozenset({SOCKET, "GET", "POST", "DELETE", "PUT", "PATCH", "HEAD", "OPTIONS"})


def _method(scope: HTTPScope) -> str:
    """Anybody may invent a method; a label must not grow by it."""
    method = str(scope.get("method", SOCKET))
    return method if method in _METHODS else "other"
