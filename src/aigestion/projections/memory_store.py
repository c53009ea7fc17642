"""The read store in memory: what the port means, in the fewest words."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any

from aigestion.kernel.errors import CheckpointMoved
from aigestion.readstores.port import Change, Delete, DeleteWhere, Put, Row, View


class MemoryReadStore:
    """A `ReadStore` in dicts: for tests, and for whoever wants to see a projection at work."""

    gather_seconds = 0.0
    kept_since: datetime | None = None

    def __init__(self) -> None:
        self._views: dict[View, dict[tuple[str, str], dict[str, Any]]] = {}
        self._checkpoints: dict[View, int] = {}
        self.served: list[View] = []
        """The views that were told to serve, in order."""

    async def prepare(self, view: View) -> None:
        """As the port says."""
        self._views.setdefault(view, {})
        self._checkpoints.setdefault(view, 0)

    async def checkpoint(self, view: View) -> int | None:
        """As the port says."""
        return self._checkpoints.get(view)

    async def apply(
        self, view: View, changes: Sequence[Change], position: int, *, visible: bool = True
    ) -> None:
        """As the port says; `CheckpointMoved` if there is no such view."""
        if position > self._checkpoints.get(view, 0):
            await self.amend(view, changes, position)
            self._checkpoints[view] = position

    async def amend(self, view: View, changes: Sequence[Change], position: int) -> None:
        """As the port says; `CheckpointMoved` if there is no such view."""
        if view not in self._views:
            raise CheckpointMoved(f"The view {view.name} is gone.", view=view.name)
        for change in changes:
            self._change(self._views[view], change)

    async def rows(self, view: View) -> AsyncIterator[Row]:
        """As the port says."""
        for (collection, key), fields in list(self._views[view].items()):
            present = {name: value for name, value in fields.items() if value is not None}
            yield Row(collection, key, present)

    async def drop(self, view: View) -> None:
        """As the port says."""
        self._views.pop(view, None)
        self._checkpoints.pop(view, None)

    async def serve(self, view: View) -> None:
        """As the port says."""
        self.served.append(view)

    @staticmethod
    def _change(rows: dict[tuple[str, str], dict[str, Any]], change: Change) -> None:
        match change:
            case Put(collection, key, fields):
                rows.setdefault((collection, key), {}).update(fields)
            case Delete(collection, key):
                rows.pop((collection, key), None)
            case DeleteWhere(collection, field, value):
                for at in [at for at, fields in rows.items() if at[0] == collection]:
                    if rows[at].get(field) == value:
                        del rows[at]
