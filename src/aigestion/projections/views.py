"""Which views there are, and which one of a projection serves: a row each, switched atomically."""

from typing import Literal, Protocol

from aigestion.kernel.errors import NotFound
from aigestion.readstores.port import View

ViewState = Literal["building", "active", "retired"]


class ViewRegistry(Protocol):
    """What every process agrees on about views. The views themselves are in the read stores."""

    async def active(self, projection: str) -> View | None:
        """The view that serves; None before the first one is built."""
        ...

    async def create(self, projection: str, version: int) -> View:
        """Register the next generation, `building`. No generation is ever used twice."""
        ...

    async def activate(self, view: View) -> None:
        """Let this view serve; the one that did is `retired` in the same instant.

        Again is the same as once. Raises `NotFound` for a view that is not registered.
        """
        ...

    async def roll_back(self, view: View) -> None:
        """As `activate`, and remember that the one that served was not wanted."""
        ...

    async def rolled_back(self, projection: str) -> int:
        """The highest version that was rolled back from, since a view of it was activated; else 0."""
        ...

    async def all(self) -> list[tuple[View, ViewState]]:
        """Every registered view, in order of projection and generation."""
        ...

    async def forget(self, view: View) -> None:
        """Remove a view from the register; the caller has dropped it. Idempotent."""
        ...


class MemoryViewRegistry:
    """A register in a dict, for tests."""

    def __init__(self) -> None:
        self._states: dict[View, ViewState] = {}
        self._generations: dict[str, int] = {}
        self._rolled_back: dict[str, int] = {}

    async def active(self, projection: str) -> View | None:
        serving = (v for v, s in self._states.items() if s == "active")
        return next((view for view in serving if view.projection == projection), None)

    async def create(self, projection: str, version: int) -> View:
        generation = self._generations[projection] = self._generations.get(projection, 0) + 1
        view = View(projection, version, generation)
        self._states[view] = "building"
        return view

    async def activate(self, view: View) -> None:
        if view not in self._states:
            raise NotFound(f"there is no view {view.name}")
        former = await self.active(view.projection)
        if former is not None:
            self._states[former] = "retired"
        self._states[view] = "active"
        if view.version >= self._rolled_back.get(view.projection, 0):
            self._rolled_back.pop(view.projection, None)

    async def roll_back(self, view: View) -> None:
        unwanted = await self.active(view.projection)
        await self.activate(view)
        if unwanted is not None and unwanted != view:
            highest = max(await self.rolled_back(view.projection), unwanted.version)
            self._rolled_back[view.projection] = highest

    async def rolled_back(self, projection: str) -> int:
        return self._rolled_back.get(projection, 0)

    async def all(self) -> list[tuple[View, ViewState]]:
        return sorted(self._states.items(), key=lambda row: (row[0].projection, row[0].generation))

    async def forget(self, view: View) -> None:
        self._states.pop(view, None)
