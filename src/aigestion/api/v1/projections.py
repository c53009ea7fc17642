"""Read models: how far each one is; for the operator, rebuild, roll back, verify and redrive."""

from collections.abc import AsyncGenerator
from datetime import datetime
from functools import partial
from typing import Annotated, Any

import msgspec
from litestar import Router, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, QueryParameter
from litestar.response import Stream

from aigestion.api.answers import POSITION_HEADER, Answered, IdempotencyKey, problems
from aigestion.api.auth import is_operator, require_key_or_operator
from aigestion.api.errors import problem_of
from aigestion.api.limits import CHARGE
from aigestion.api.openapi import OPERATOR
from aigestion.api.projection_door import Step, Work, steps
from aigestion.api.request import ApiRequest
from aigestion.projections.progress import Building, Line, LineState
from aigestion.projections.stages import Stage
from aigestion.ratelimit.routes import Charge
from aigestion.readstores.parked import ParkedKey

NDJSON = "application/x-ndjson"
KEY_CHARS_MAX = 500


class Parked(msgspec.Struct, frozen=True, kw_only=True):
    """A key (a conversation, a document) whose events are in quarantine, from `position` on."""

    key: str
    events: int
    position: int
    """Of the event that cannot be applied; the others wait behind it."""
    type: str
    error: str | None
    """Why; null for a moment while a redrive is under way."""
    since: datetime
    redrive: bool
    """A redrive was asked for and has not come to it yet."""
    tried_at: datetime | None
    """When the last redrive of it failed."""


class ParkedKeys(msgspec.Struct, frozen=True):
    """Everything that is in quarantine, by key, in order."""

    items: list[Parked]


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
    parked_events: int
    """In quarantine: the view lacks them, though it has passed them."""
    parked_keys: int
    parked_first: Parked | None
    """The key that was parked first; only the operator sees it."""
    building: BuildingStatus | None = None
    retired: str | None = None
    """The view that a roll-back goes to."""
    newer: str | None = None
    """What newer programs serve; this process goes on with a view of its own version, or none."""


class Projections(msgspec.Struct, frozen=True):
    """Every read model."""

    items: list[ProjectionStatus]


_LINES = {200: ResponseSpec(Step, description="Lines of JSON.", media_type=NDJSON)}
_WORK: dict[str, Any] = {
    "status_code": 200,
    "opt": {CHARGE: Charge("expensive", cost=10)},
    "responses": {**problems(403, 404, 409, 413, 422), **_LINES},
    "media_type": NDJSON,
}
"""What the operator has done to a read model takes its time, and is told line by line."""


@get(
    "/",
    security=[*OPERATOR, {"key": ["read"]}],
    responses=problems(),
    response_headers=[POSITION_HEADER],
    summary="How far each read model is",
)
async def list_projections(request: ApiRequest) -> Answered[Projections]:
    """Position, lag, state and quarantine of every read model."""
    door = request.doors.projections
    head = await door.head()
    whole = is_operator(request)
    items = [_status(line, head, whole=whole) for line in door.status()]
    return Answered(Projections(items), head)


@get(
    "/{name:str}/parked",
    responses=problems(403, 404),
    response_headers=[POSITION_HEADER],
    summary="What of a read model is in quarantine",
)
async def list_parked(request: ApiRequest, name: FromPath[str]) -> Answered[ParkedKeys]:
    """The keys whose events could not be applied, in order of their first ones."""
    door = request.doors.projections
    items = [_parked(one) for one in await door.parked(name)]
    return Answered(ParkedKeys(items), await door.head())


@post(
    "/{name:str}/rebuild",
    **_WORK,
    summary="Rebuild a read model from the log",
)
async def rebuild(
    request: ApiRequest, name: FromPath[str], idempotency_key: IdempotencyKey = None
) -> Stream:
    """Fill a new view beside the one that serves, compare, then switch.

    Answers lines of JSON, one a step; the last one has `done`, or is a problem. A caller that leaves
    stops it: nothing is switched then, and the next rebuild goes on from there. Refused while any
    process rebuilds the same read model.
    """
    return await _lines(request, request.doors.projections.rebuild, name, idempotency_key)


@post(
    "/{name:str}/verify",
    **_WORK,
    summary="Compare a read model with a fold of the log",
)
async def verify(
    request: ApiRequest, name: FromPath[str], idempotency_key: IdempotencyKey = None
) -> Stream:
    """Fold the log and compare every row. Answers as `rebuild` does."""
    return await _lines(request, request.doors.projections.verify, name, idempotency_key)


@post(
    "/{name:str}/redrive",
    **_WORK,
    summary="Apply what is in quarantine",
)
async def redrive(
    request: ApiRequest,
    name: FromPath[str],
    key: Annotated[
        str | None,
        QueryParameter(
            max_length=KEY_CHARS_MAX, description="This key only, as `parked` names it."
        ),
    ] = None,
    idempotency_key: IdempotencyKey = None,
) -> Stream:
    """Apply the parked events in order, once their fault is gone; what fails again stays parked.

    Answers as `rebuild` does: `position` counts events applied, `head` those asked for. A caller that
    leaves stops nothing.
    """
    work = partial(request.doors.projections.redrive, key=key)
    return await _lines(request, work, name, idempotency_key)


@post(
    "/{name:str}/rollback",
    **_WORK,
    summary="Let the former view of a read model serve again",
)
async def roll_back(
    request: ApiRequest, name: FromPath[str], idempotency_key: IdempotencyKey = None
) -> Stream:
    """Bring the view that was retired last up to date, then switch to it. Answers as `rebuild` does.

    Refused if there is none, or it is of a version that this program does not keep.
    """
    return await _lines(request, request.doors.projections.roll_back, name, idempotency_key)


def _status(line: Line, head: int, *, whole: bool) -> ProjectionStatus:
    first = next(iter(line.parked.values()), None)
    return ProjectionStatus(
        name=line.projection,
        view=line.view.name if line.view else None,
        position=line.position,
        lag=max(0, head - line.position),
        state=line.state,
        error=line.error,
        error_position=line.error_position,
        parked_events=line.parked_events,
        parked_keys=len(line.parked),
        parked_first=_parked(first) if whole and first is not None else None,
        building=None if line.building is None else _building(line.building),
        retired=line.retired.name if line.retired else None,
        newer=line.newer.name if line.newer else None,
    )


def _parked(one: ParkedKey) -> Parked:
    return msgspec.convert(one, Parked, from_attributes=True)


def _building(building: Building) -> BuildingStatus:
    return BuildingStatus(
        view=building.view.name if building.view else None,
        stage=building.stage,
        position=building.position,
        events_per_second=round(building.events_per_second, 1),
    )


async def _lines(request: ApiRequest, work: Work, name: str, key: str | None) -> Stream:
    """The first step is awaited before the answer begins: a refusal is an ordinary problem then.

    The same request again, once it is done, gets its last line again, and nothing is done.
    """
    finished, known = request.doors.finished_work, await request.key(key)
    if known is not None and (line := await finished.find(known)) is not None:
        return Stream(_one(line), media_type=NDJSON)
    following = steps(work, name)
    first = await anext(following)

    async def lines() -> AsyncGenerator[bytes, None]:
        try:
            step = first
            while True:
                line = msgspec.json.encode(step) + b"\n"
                if step.done and known is not None:
                    await finished.keep(known, line)
                yield line
                if step.done:
                    return
                step = await anext(following)
        except Exception as error:
            yield problem_of(request, error).content + b"\n"
        finally:
            await following.aclose()

    return Stream(lines(), media_type=NDJSON)


async def _one(line: bytes) -> AsyncGenerator[bytes, None]:
    yield line


projections = Router(
    "/projections",
    before_request=require_key_or_operator,
    route_handlers=[list_projections, list_parked, rebuild, roll_back, verify, redrive],
    tags=["Projections"],
)
