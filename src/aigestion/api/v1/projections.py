"""Read models: how far each one is; for the operator, rebuild, roll back and verify."""

from collections.abc import AsyncGenerator

import msgspec
from litestar import Router, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath
from litestar.response import Stream

from aigestion.api.answers import POSITION_HEADER, Answered, problems
from aigestion.api.auth import require_key_or_operator, require_operator
from aigestion.api.errors import problem_of
from aigestion.api.openapi import OPERATOR
from aigestion.api.projection_door import Step, Work, steps
from aigestion.api.request import ApiRequest
from aigestion.projections.progress import Building, Line, LineState
from aigestion.projections.stages import Stage

NDJSON = "application/x-ndjson"


class BuildingStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A view that is being built beside the one that serves, by any process."""

    view: str | None
    """Null for a moment, until this process has read its name."""
    stage: Stage
    position: int
    events_per_second: float


class ProjectionStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One read model, as this process knows it."""

    name: str
    view: str | None
    """The view that serves; null before the first one is built."""
    position: int
    lag: int
    """How many events the log is ahead of it."""
    state: LineState
    error: str | None
    error_position: int | None
    """The event it stopped at."""
    building: BuildingStatus | None = None
    retired: str | None = None
    """The view that a roll-back goes to."""
    newer: str | None = None
    """What newer programs serve; this process goes on with a view of its own version, or none."""


class Projections(msgspec.Struct, frozen=True):
    """Every read model."""

    items: list[ProjectionStatus]


_LINES = {200: ResponseSpec(Step, description="Lines of JSON.", media_type=NDJSON)}


@get(
    "/",
    before_request=require_key_or_operator,
    security=[*OPERATOR, {"key": []}],
    responses=problems(),
    response_headers=[POSITION_HEADER],
    summary="How far each read model is",
)
async def list_projections(request: ApiRequest) -> Answered[Projections]:
    """Position, lag and state of every read model."""
    door = request.doors.projections
    head = await door.head()
    items = [_status(line, head) for line in door.status()]
    return Answered(Projections(items), head)


@post(
    "/{name:str}/rebuild",
    status_code=200,
    before_request=require_operator,
    security=OPERATOR,
    responses={**problems(403, 404, 409), **_LINES},
    media_type=NDJSON,
    summary="Rebuild a read model from the log",
)
async def rebuild(request: ApiRequest, name: FromPath[str]) -> Stream:
    """Fill a new view beside the one that serves, compare, then switch.

    Answers lines of JSON, one a step; the last one has `done`, or is a problem. A caller that leaves
    stops it: nothing is switched then, and the next rebuild goes on from there. Refused while any
    process rebuilds the same read model.
    """
    return await _lines(request, request.doors.projections.rebuild, name)


@post(
    "/{name:str}/verify",
    status_code=200,
    before_request=require_operator,
    security=OPERATOR,
    responses={**problems(403, 404), **_LINES},
    media_type=NDJSON,
    summary="Compare a read model with a fold of the log",
)
async def verify(request: ApiRequest, name: FromPath[str]) -> Stream:
    """Fold the log and compare every row. Answers as `rebuild` does."""
    return await _lines(request, request.doors.projections.verify, name)


@post(
    "/{name:str}/rollback",
    status_code=200,
    before_request=require_operator,
    security=OPERATOR,
    responses={**problems(403, 404, 409), **_LINES},
    media_type=NDJSON,
    summary="Let the former view of a read model serve again",
)
async def roll_back(request: ApiRequest, name: FromPath[str]) -> Stream:
    """Bring the view that was retired last up to date, then switch to it. Answers as `rebuild` does.

    Refused if there is none, or it is of a version that this program does not keep.
    """
    return await _lines(request, request.doors.projections.roll_back, name)


def _status(line: Line, head: int) -> ProjectionStatus:
    return ProjectionStatus(
        name=line.projection,
        view=line.view.name if line.view else None,
        position=line.position,
        lag=max(0, head - line.position),
        state=line.state,
        error=line.error,
        error_position=line.error_position,
        building=None if line.building is None else _building(line.building),
        retired=line.retired.name if line.retired else None,
        newer=line.newer.name if line.newer else None,
    )


def _building(building: Building) -> BuildingStatus:
    return BuildingStatus(
        view=building.view.name if building.view else None,
        stage=building.stage,
        position=building.position,
        events_per_second=round(building.events_per_second, 1),
    )


async def _lines(request: ApiRequest, work: Work, name: str) -> Stream:
    """The first step is awaited before the answer begins: a refusal is an ordinary problem then."""
    following = steps(work, name)
    first = await anext(following)

    async def lines() -> AsyncGenerator[bytes, None]:
        try:
            yield msgspec.json.encode(first) + b"\n"
            async for step in following:
                yield msgspec.json.encode(step) + b"\n"
        except Exception as error:
            yield problem_of(request, error).content + b"\n"
        finally:
            await following.aclose()

    return Stream(lines(), media_type=NDJSON)


projections = Router(
    "/projections",
    route_handlers=[list_projections, rebuild, roll_back, verify],
    tags=["Projections"],
)
