"""The read models as commands see them: through HTTP when a system runs, directly when it is at rest."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias
from urllib.parse import quote

import msgspec

from aigestion.cli.connection import Place, need_data_dir, running, servers
from aigestion.kernel.errors import AIGestionError

if TYPE_CHECKING:
    from aigestion.api.projection_door import ProjectionDoor, Work
    from aigestion.client.http import Api
    from aigestion.embedded.connect_file import Doors
    from aigestion.projections.progress import Line
    from aigestion.readstores.parked import ParkedKey

Step: TypeAlias = dict[str, Any]
"""A line of progress: `position`, `head`; the last one has `done` and `result`."""


class ParkedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A key whose events are in quarantine, from `position` on."""

    key: str
    events: int
    position: int
    type: str
    error: str | None
    since: datetime
    redrive: bool = False
    tried_at: datetime | None = None


class BuildingRow(msgspec.Struct, frozen=True):
    """A view that is being built beside the one that serves."""

    view: str | None
    stage: str
    position: int
    events_per_second: float


class ReadModelRow(msgspec.Struct, frozen=True):
    """How one read model is doing."""

    name: str
    view: str | None
    """The view that serves; None before the first one is built."""
    position: int
    lag: int
    state: str
    error: str | None = None
    error_position: int | None = None
    parked_events: int = 0
    parked_keys: int = 0
    parked_first: ParkedRow | None = None
    """What was parked first, and why."""
    building: BuildingRow | None = None
    retired: str | None = None
    """The view that `rollback` goes back to."""
    newer: str | None = None
    """What newer programs serve."""


class Views(Protocol):
    """What can be seen and done with read models."""

    async def status(self) -> list[ReadModelRow]: ...

    def rebuild(self, projection: str) -> AsyncIterator[Step]: ...

    def roll_back(self, projection: str) -> AsyncIterator[Step]: ...

    def verify(self, projection: str) -> AsyncIterator[Step]: ...

    async def parked(self, projection: str) -> list[ParkedRow]: ...

    def redrive(self, projection: str, key: str | None) -> AsyncIterator[Step]: ...


@asynccontextmanager
async def open_views(place: Place) -> AsyncIterator[Views]:
    """The read models of a system at an address, on servers, or of a data dir, running or at rest."""
    async with AsyncExitStack() as stack:
        if place.url is not None:
            from aigestion.client.http import Api

            yield ViewsOverHttp(await stack.enter_async_context(Api(place.url, place.key)))
            return
        settings = servers()
        if settings is not None:
            from aigestion.bootstrap.offline import open_on_servers

            system = await stack.enter_async_context(open_on_servers(settings))
            yield ViewsAtRest(system.projections)
            return
        need_data_dir(place.data_dir)
        doors = running(place.data_dir)
        if doors is not None:
            yield await stack.enter_async_context(views_over_http(doors))
        else:
            from aigestion.bootstrap.offline import open_at_rest

            system = await stack.enter_async_context(open_at_rest(place.data_dir))
            yield ViewsAtRest(system.projections)


@asynccontextmanager
async def views_over_http(doors: "Doors") -> AsyncIterator[Views]:
    """The read models of a running system."""
    from aigestion.cli.http import operator_api

    async with operator_api(doors) as door:
        yield ViewsOverHttp(door)


class ViewsOverHttp:
    """Asks the process that owns them."""

    def __init__(self, door: "Api") -> None:
        self._door = door

    async def status(self) -> list[ReadModelRow]:
        answer = await self._door.get("/v1/projections")
        return msgspec.convert(answer["items"], list[ReadModelRow])

    def rebuild(self, projection: str) -> AsyncIterator[Step]:
        return self._steps(f"/v1/projections/{projection}/rebuild")

    def roll_back(self, projection: str) -> AsyncIterator[Step]:
        return self._steps(f"/v1/projections/{projection}/rollback")

    def verify(self, projection: str) -> AsyncIterator[Step]:
        return self._steps(f"/v1/projections/{projection}/verify")

    async def parked(self, projection: str) -> list[ParkedRow]:
        answer = await self._door.get(f"/v1/projections/{projection}/parked")
        return msgspec.convert(answer["items"], list[ParkedRow])

    def redrive(self, projection: str, key: str | None) -> AsyncIterator[Step]:
        asked = "" if key is None else f"?key={quote(key, safe='')}"
        return self._steps(f"/v1/projections/{projection}/redrive{asked}")

    async def _steps(self, path: str) -> AsyncIterator[Step]:
        async for step in self._door.steps(path):
            if "status" in step:  # the work failed under way
                raise AIGestionError(str(step.get("detail")), **step)
            yield step


class ViewsAtRest:
    """Opened in this process."""

    def __init__(self, door: "ProjectionDoor") -> None:
        self._door = door

    async def status(self) -> list[ReadModelRow]:
        head = await self._door.head()
        return [_row(line, head) for line in self._door.status()]

    def rebuild(self, projection: str) -> AsyncIterator[Step]:
        return self._steps(self._door.rebuild, projection)

    def roll_back(self, projection: str) -> AsyncIterator[Step]:
        return self._steps(self._door.roll_back, projection)

    def verify(self, projection: str) -> AsyncIterator[Step]:
        return self._steps(self._door.verify, projection)

    async def parked(self, projection: str) -> list[ParkedRow]:
        return [_parked(one) for one in await self._door.parked(projection)]

    def redrive(self, projection: str, key: str | None) -> AsyncIterator[Step]:
        return self._steps(partial(self._door.redrive, key=key), projection)

    async def _steps(self, work: "Work", projection: str) -> AsyncIterator[Step]:
        from aigestion.api.projection_door import steps

        async for step in steps(work, projection):
            yield msgspec.to_builtins(step)


def _row(line: "Line", head: int) -> ReadModelRow:
    first = next(iter(line.parked.values()), None)
    building = line.building
    return ReadModelRow(
        name=line.projection,
        view=line.view.name if line.view else None,
        position=line.position,
        lag=max(0, head - line.position),
        state=line.state,
        error=line.error,
        error_position=line.error_position,
        parked_events=line.parked_events,
        parked_keys=len(line.parked),
        parked_first=None if first is None else _parked(first),
        building=None
        if building is None
        else BuildingRow(
            building.view.name if building.view else None,
            building.stage,
            building.position,
            building.events_per_second,
        ),
        retired=line.retired.name if line.retired else None,
        newer=line.newer.name if line.newer else None,
    )


def _parked(one: "ParkedKey") -> ParkedRow:
    return msgspec.convert(one, ParkedRow, from_attributes=True)
