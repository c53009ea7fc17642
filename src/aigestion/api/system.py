"""Whether the system is well, what it counts, and what it says of itself: no key needed."""

import asyncio
from typing import Any, Literal

import msgspec
from litestar import Response, get
from litestar.openapi.datastructures import ResponseSpec
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from aigestion.api.doors import HealthCheck
from aigestion.api.events_page import PAGE_HEADERS, events_page
from aigestion.api.openapi import OPEN
from aigestion.api.request import ApiRequest

State = Literal["ready", "degraded", "not-ready", "draining"]


class Alive(msgspec.Struct, frozen=True):
    """The process answers."""

    status: Literal["alive"] = "alive"


class Readiness(msgspec.Struct, frozen=True):
    """Whether requests can be served, and which engines are missing.

    `degraded`: some answers will be 503 and name the engine; everything else goes on.
    """

    status: State
    engines: dict[str, str]
    """`ok`, or what is wrong, by the engine's name."""
    missing: list[str]


@get("/health/live", security=OPEN, summary="Is the process alive?", tags=["System"])
async def live() -> Alive:
    """Answers as long as the process does; looks at no engine."""
    return Alive()


@get(
    "/health/ready",
    security=OPEN,
    responses={503: ResponseSpec(Readiness, description="Not now; `missing` says why.")},
    summary="Can it serve?",
    tags=["System"],
)
async def ready(request: ApiRequest) -> Response[Readiness]:
    """Asks every engine, at the same time, for a short while."""
    doors = request.doors
    names = list(doors.health)
    seconds = doors.limits.health_timeout_seconds
    found = await asyncio.gather(*(_state(doors.health[name], seconds) for name in names))
    engines = dict(zip(names, found, strict=True))
    missing = [name for name, state in engines.items() if state != "ok"]
    status: State = "degraded" if missing else "ready"
    if doors.vital.intersection(missing):
        status = "not-ready"
    if doors.draining.is_set():
        status = "draining"
    serves = status in ("ready", "degraded")
    return Response(Readiness(status, engines, missing), status_code=200 if serves else 503)


@get(
    "/metrics",
    security=OPEN,
    media_type="text/plain",
    summary="Prometheus metrics",
    tags=["System"],
)
async def metrics(request: ApiRequest) -> Response[bytes]:
    """What is counted, in Prometheus' text format."""
    return Response(
        generate_latest(request.doors.metrics), headers={"Content-Type": CONTENT_TYPE_LATEST}
    )


@get(
    "/asyncapi.json",
    security=OPEN,
    responses={
        200: ResponseSpec(dict[str, Any], description="AsyncAPI 3.", generate_examples=False)
    },
    media_type="application/json",
    summary="Events on NATS",
    tags=["System"],
)
async def asyncapi(request: ApiRequest) -> Response[bytes]:
    """The AsyncAPI document: every type of event a NATS subscriber can hear."""
    return Response(request.doors.asyncapi(), media_type="application/json")


@get(
    "/asyncapi",
    security=OPEN,
    media_type="text/html",
    summary="Events on NATS, as a page",
    tags=["System"],
)
async def asyncapi_page(request: ApiRequest) -> Response[str]:
    """The AsyncAPI document for people: each type with its fields and an example."""
    page = events_page(msgspec.json.decode(request.doors.asyncapi()))
    return Response(page, media_type="text/html", headers=PAGE_HEADERS)


async def _state(check: HealthCheck, timeout_seconds: float) -> str:
    """An error's text may hold an address or a password; its name does not."""
    try:
        async with asyncio.timeout(timeout_seconds):
            await check()
    except TimeoutError:
        return f"no answer in {timeout_seconds:g} s"
    except Exception as error:
        return type(error).__name__
    return "ok"


OPERATIONS = (live, ready, metrics)
ROUTES = (*OPERATIONS, asyncapi, asyncapi_page)
