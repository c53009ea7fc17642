"""What the store needs of a Qdrant engine, in this process or on a server: views, and the points of one."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import msgspec

from aigestion.readstores.port import View
from aigestion.readstores.qdrant.points import Payload

Vector: TypeAlias = Sequence[float]
Found: TypeAlias = Mapping[str, tuple[Payload, Vector | None]]
"""(payload, vector) by point id."""

POINTS_IN_PAGE_MAX = 256


class NoSuchView(LookupError):
    """The view was dropped while it was used."""


class Stamp(msgspec.Struct, frozen=True):
    """As of which position points are written, and the newest that they may take the place of.

    So a writer that comes late, for instance a leader that was paused and replaced, changes nothing.
    """

    position: int
    newest_replaced: int


class Points(Protocol):
    """The points of one view. Everything raises `NoSuchView` and `Unavailable`."""

    async def checkpoint(self) -> int | None:
        """The position the view reflects; None if its making was not finished."""
        ...

    async def find(self, ids: Sequence[str]) -> dict[str, Payload]:
        """By id; points that are not there are left out."""
        ...

    async def find_with_vectors(self, ids: Sequence[str]) -> Found:
        """Payload and vector of one moment, by id; points that are not there are left out."""
        ...

    async def where(self, collection: str, field: str, value: Any) -> dict[str, Payload]:
        """Every point of a collection whose field has this value, by id."""
        ...

    def all(self) -> AsyncIterator[Payload]:
        """Every row's point."""
        ...

    async def put(self, points: Found, stamp: Stamp) -> None:
        """Write points whole. Raises `ChangeRejected` for what the engine will never take."""
        ...

    async def delete(self, ids: Sequence[str], stamp: Stamp) -> None:
        """Remove points; a late writer does not bring them back."""
        ...

    async def move_checkpoint(self, position: int) -> None:
        """Forwards only. All that was written before survives whatever this survives."""
        ...

    async def nearest(
        self, vector: Vector, limit: int, matching: Mapping[str, Any]
    ) -> list[tuple[float, Payload]]:
        """(cosine similarity, payload) of the nearest points with these values, the best first.

        A list stands for any of its words.
        """
        ...


class Engine(Protocol):
    """Holds views of one log."""

    async def ping(self) -> None:
        """`Unavailable` if it does not answer."""
        ...

    async def create(self, view: View, dimensions: int, keywords: Sequence[str]) -> None:
        """Make an empty view with indexes on `keywords`. Idempotent; finishes what a crash began."""
        ...

    async def open(self, view: View, dimensions: int) -> Points | None:
        """The points of a view; None if there is no such view.

        Raises `Misconfigured` if its vectors are not of so many dimensions.
        """
        ...

    async def names(self) -> list[str]:
        """The names of the views that are there."""
        ...

    async def drop(self, view: View) -> None:
        """Remove a view. Idempotent."""
        ...

    async def close(self) -> None:
        """Let go of everything."""
        ...
