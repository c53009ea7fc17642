"""The port of a read store: the effect and its checkpoint are written together (law 4)."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol, TypeAlias, runtime_checkable

import msgspec


class Put(msgspec.Struct, frozen=True, gc=False):
    """Set these fields of the row with this key in this collection; other fields keep their values.

    A value is text, a bool, an int of 64 bits, a float, an aware datetime (kept to the microsecond),
    None, or a list or dict of what JSON can hold. Ids are put as text. A field keeps to one type.
    A store of facts takes whole rows only, and says so: ClickHouse.
    """

    collection: str
    key: str
    fields: Mapping[str, Any]


class Delete(msgspec.Struct, frozen=True, gc=False):
    """Remove the row with this key, if it is there."""

    collection: str
    key: str


class DeleteWhere(msgspec.Struct, frozen=True, gc=False):
    """Remove every row of a collection whose field has this value."""

    collection: str
    field: str
    value: Any


Change: TypeAlias = Put | Delete | DeleteWhere


class View(msgspec.Struct, frozen=True):
    """One physical read model: a schema, a database, a shard, or an index per collection."""

    projection: str
    version: int
    generation: int
    """Counts rebuilds: the new one is filled beside the old one."""

    @property
    def name(self) -> str:
        """`conversations_v1_g1`: a valid identifier in every store."""
        return f"{self.projection}_v{self.version}_g{self.generation}"


class Row(msgspec.Struct, frozen=True):
    """One row of a view, as the projection put it: what `verify` compares with a fold of the log.

    Fields that are None are left out: put as None and never put are the same.
    """

    collection: str
    key: str
    fields: Mapping[str, Any]


class ReadStore(Protocol):
    """Holds views; knows nothing of events."""

    @property
    def gather_seconds(self) -> float:
        """How long changes had better wait for company before they are applied."""
        ...

    @property
    def kept_since(self) -> datetime | None:
        """Rows whose `occurred_at` is earlier may be missing in a view that serves; None: all are kept."""
        ...

    async def prepare(self, view: View) -> None:
        """Make the view's tables if they are not there. Idempotent."""
        ...

    async def checkpoint(self, view: View) -> int | None:
        """The position the view reflects; None if there is no such view."""
        ...

    async def apply(
        self, view: View, changes: Sequence[Change], position: int, *, visible: bool = True
    ) -> None:
        """Apply in order, and move the checkpoint to `position`; again is the same as once.

        `visible`: queries see it when this returns. Without, they do after the next call with it: for
        views that do not serve yet. Raises `ChangeRejected` for what the store will never take: none
        of it counts then, and the checkpoint stays.
        """
        ...

    async def amend(self, view: View, changes: Sequence[Change], position: int) -> None:
        """Apply changes of the event at `position`, which the checkpoint has passed and leaves behind.

        For events that were set aside: nothing later has touched their rows. Again is the same as once.
        """
        ...

    def rows(self, view: View) -> AsyncIterator[Row]:
        """Every row, in any order."""
        ...

    async def drop(self, view: View) -> None:
        """Remove the view and its checkpoint. Idempotent."""
        ...

    async def serve(self, view: View) -> None:
        """The view serves from now on: what people find by the read model's name is this one. Idempotent."""
        ...


Pack: TypeAlias = Any
"""Changes that a store has made ready, in its own way: for this store alone."""


@runtime_checkable
class Packs(Protocol):
    """A read store for which changes can be made ready while they are still in the processor's cache."""

    async def pack(self, view: View, changes: Sequence[Change]) -> Pack:
        """The changes for `apply_packed`. Raises what `apply` raises for their values."""
        ...

    async def apply_packed(self, view: View, packs: Sequence[Pack], position: int) -> None:
        """As `apply`, of all of them in order."""
        ...
