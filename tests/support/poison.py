"""Faults that are in an event: a projection that fails on some texts, a store that does not take some."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from aigestion.events.recorded import Recorded
from aigestion.kernel.errors import ChangeRejected
from aigestion.projections.conversations import conversations
from aigestion.projections.memory_store import MemoryReadStore
from aigestion.projections.projection import Projection
from aigestion.readstores.port import Change, Put, View


class Fault:
    """Read model `conversations` with a fault in its code, until somebody repairs it."""

    def __init__(self, *texts: str) -> None:
        self.texts = set(texts)
        self.tried: list[int] = []

    @property
    def projection(self) -> Projection:
        return replace(conversations, project=self._project)

    def _project(self, recorded: Recorded[Any]) -> Sequence[Change]:
        self.tried.append(recorded.position)
        if getattr(recorded.data, "text", None) in self.texts:
            raise ZeroDivisionError(f"personal: {recorded.data.text}")
        return conversations.project(recorded)


class PickyStore(MemoryReadStore):
    """Refuses rows with some texts, for ever; counts how often it was asked to apply."""

    def __init__(self, *texts: str, error: type[Exception] = ChangeRejected) -> None:
        super().__init__()
        self.texts = set(texts)
        self.error = error
        self.calls = 0

    async def apply(
        self, view: View, changes: Sequence[Change], position: int, *, visible: bool = True
    ) -> None:
        self.calls += 1
        self._check(changes)
        await super().apply(view, changes, position, visible=visible)

    async def amend(self, view: View, changes: Sequence[Change], position: int) -> None:
        self._check(changes)
        await super().amend(view, changes, position)

    def _check(self, changes: Sequence[Change]) -> None:
        for change in changes:
            if isinstance(change, Put) and change.fields.get("text") in self.texts:
                raise self.error("memory does not take it")
