"""How far each read model is, as this process knows it; queries wait here for what they must see."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from math import inf
from types import MappingProxyType
from typing import Literal

import msgspec

from aigestion.kernel.errors import (
    AIGestionError,
    LogEpochMismatch,
    QuarantineFull,
    Unavailable,
    UnknownEvent,
    ViewBehind,
)
from aigestion.projections.stages import Stage
from aigestion.projections.standing import Standing
from aigestion.readstores.parked import ParkedKey
from aigestion.readstores.port import View

WAIT_SECONDS_MAX = 2.0
"""How long a query may wait for `min_position` unless it says otherwise."""
RETRY_AFTER_SECONDS = 1

LineState = Literal["waiting", "building", "running", "standing-by", "retrying", "stopped"]
"""`waiting`: nothing is known yet. `standing-by`: a view of another version serves, and this program
shall build none. `retrying`: an error, tried again and again. `stopped`: an event this program does
not know, a view that is ahead of the log, or too much in quarantine; it takes a person to change
that."""

NOTHING: Mapping[str, ParkedKey] = MappingProxyType({})

_FOR_A_PERSON = (UnknownEvent, LogEpochMismatch, QuarantineFull)


class Building(msgspec.Struct, frozen=True, kw_only=True):
    """A view that is being built beside the one that serves, if any does."""

    view: View | None
    """None before this process has read its name."""
    stage: Stage
    position: int
    events_per_second: float
    """In this stage, since this process looked at it first."""


class Line(msgspec.Struct, kw_only=True):
    """One read model: which view serves, up to where, and how its line is doing."""

    projection: str
    view: View | None = None
    position: int = 0
    """What the serving view reflects; while the first one is built, how far that is."""
    state: LineState = "waiting"
    error: str | None = None
    error_position: int | None = None
    """The event that cannot be applied."""
    parked: Mapping[str, ParkedKey] = NOTHING
    """What the serving view lacks, by key, though `position` has passed it."""

    building: Building | None = None
    retired: View | None = None
    """The view that `rollback` goes back to."""
    rebuilds: int = 0
    """How many views this process has begun to build."""
    newer: View | None = None
    """What newer programs serve, while this one goes on with a view of its own version, or none."""

    @property
    def parked_events(self) -> int:
        """How many events that are."""
        return sum(one.events for one in self.parked.values())


class Progress:
    """The process's knowledge of the active view and the position of each projection."""

    def __init__(self, projections: Iterable[str] = ()) -> None:
        self._lines = {name: Line(projection=name) for name in projections}
        self._waiting: dict[str, dict[asyncio.Future[None], int]] = {}
        self._awaited: dict[str, asyncio.Event] = {}
        self._stages: dict[str, tuple[Stage, int, float]] = {}
        """Where and when this process began to look at a stage of a rebuild."""
        self.asked_at = -inf
        """When anybody asked a query here last, on the monotonic clock."""

    def advance(self, view: View, position: int, parked: Mapping[str, ParkedKey] = NOTHING) -> None:
        """This view serves, and reflects everything up to `position`; less, if its engine forgot.

        But for what is parked. Who does not write the view reads its checkpoint first and then what is
        parked: so no event up to `position` is lacking that is not among it.
        """
        line = self._line(view.projection)
        line.view, line.position, line.parked = view, position, parked
        line.state, line.error, line.error_position = "running", None, None
        self._wake(line)

    def building(self, projection: str, position: int, stage: Stage = "filling") -> None:
        """A view is being built, by this process or another one; if none serves yet, this is all there is."""
        line = self._line(projection)
        now = time.monotonic()
        begun = self._stages.get(projection)
        if begun is None or begun[0] != stage or position < begun[1]:
            begun = self._stages[projection] = (stage, position, now)
        seconds = now - begun[2]
        line.building = Building(
            view=None if line.building is None else line.building.view,
            stage=stage,
            position=position,
            events_per_second=(position - begun[1]) / seconds if seconds > 0 else 0.0,
        )
        if line.view is None:
            line.state, line.position = "building", position

    def rebuilding(self, projection: str) -> None:
        """This process begins to build a view, or goes on with one."""
        self._line(projection).rebuilds += 1

    def registered(self, projection: str, standing: Standing) -> None:
        """What else the register says: the view that is being built, the one to go back to, a newer one."""
        line = self._line(projection)
        line.retired, line.newer = standing.retired, standing.newer
        if standing.building is None:
            line.building = None
            self._stages.pop(projection, None)
        elif line.building is None:
            line.building = Building(
                view=standing.building, stage="filling", position=0, events_per_second=0.0
            )
        elif line.building.view != standing.building:
            line.building = msgspec.structs.replace(line.building, view=standing.building)

    def stand_by(self, projection: str) -> None:
        """A view of another version serves, and this program keeps none."""
        line = self._line(projection)
        line.view, line.position, line.parked = None, 0, NOTHING
        line.state, line.error, line.error_position = "standing-by", None, None

    def trouble(self, projection: str, error: Exception) -> None:
        """The line does not move, and why; `details["position"]` says which event it is about."""
        line = self._line(projection)
        line.state = "stopped" if isinstance(error, _FOR_A_PERSON) else "retrying"
        details = error.details if isinstance(error, AIGestionError) else {}
        line.error, line.error_position = str(error), details.get("position")

    def position(self, projection: str) -> int:
        """What the serving view reflects; 0 if none serves."""
        line = self._line(projection)
        return line.position if line.view is not None else 0

    def stale(self, projection: str, tenant: str, *keys: str) -> bool:
        """Whether the serving view lacks events of these keys; without one, any of the tenant's.

        Holds for what `at_least` has just returned: asked at once, before anything is awaited.
        """
        parked = self._line(projection).parked
        if not parked:
            return False
        if keys:
            return not parked.keys().isdisjoint(keys)
        return any(one.tenant == tenant for one in parked.values())

    async def at_least(
        self, projection: str, min_position: int = 0, timeout_seconds: float = WAIT_SECONDS_MAX
    ) -> tuple[View, int]:
        """The serving view once it reflects `min_position`, and what it reflects.

        Raises `ViewBehind` if that takes too long, `Unavailable` if no view serves yet.
        """
        self.asked_at = time.monotonic()
        line = self._line(projection)
        if line.view is not None and line.position >= min_position:
            return line.view, line.position
        news: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(projection, {})
        waiting[news] = min_position
        self._awaited.setdefault(projection, asyncio.Event()).set()
        try:
            async with asyncio.timeout(timeout_seconds):
                await news
        except TimeoutError:
            raise self._too_late(line, min_position) from None
        finally:
            del waiting[news]
        assert line.view is not None
        return line.view, line.position

    def serving(self, projection: str) -> View:
        """The serving view, for work of the process itself: long work need not make room for it.

        Raises `Unavailable` if none serves yet.
        """
        line = self._line(projection)
        if line.view is None:
            raise self._unbuilt(line)
        return line.view

    def is_awaited(self, projection: str) -> bool:
        """Whether a query waits for this read model."""
        return bool(self._waiting.get(projection))

    async def until_awaited(self, projection: str, timeout_seconds: float) -> None:
        """Return as soon as a query waits for this read model, or after this time."""
        awaited = self._awaited.setdefault(projection, asyncio.Event())
        awaited.clear()
        if not self.is_awaited(projection):
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_seconds):
                    await awaited.wait()

    def status(self) -> list[Line]:
        """A copy of what is known of each projection, by name."""
        return [msgspec.structs.replace(self._lines[name]) for name in sorted(self._lines)]

    def _line(self, projection: str) -> Line:
        return self._lines.setdefault(projection, Line(projection=projection))

    def _wake(self, line: Line) -> None:
        for news, min_position in self._waiting.get(line.projection, {}).items():
            if min_position <= line.position and not news.done():
                news.set_result(None)

    @staticmethod
    def _too_late(line: Line, min_position: int) -> ViewBehind | Unavailable:
        if line.view is None:
            return Progress._unbuilt(line)
        return ViewBehind(
            f"the read model {line.projection} is at {line.position}, not yet at {min_position}",
            projection=line.projection,
            position=line.position,
            min_position=min_position,
            retry_after_seconds=RETRY_AFTER_SECONDS,
        )

    @staticmethod
    def _unbuilt(line: Line) -> Unavailable:
        return Unavailable(
            f"the read model {line.projection} is not built yet",
            engine=line.projection,
            position=line.position,
            retry_after_seconds=RETRY_AFTER_SECONDS,
        )
