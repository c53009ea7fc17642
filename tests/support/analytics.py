"""The analytics read models, filled from a history and served, as in a running system."""

from typing import Any

from aigestion.projections.catalog import PROJECTIONS
from aigestion.projections.progress import Progress
from aigestion.readstores.clickhouse.contract import VIEWS
from aigestion.readstores.clickhouse.engine import Engine
from aigestion.readstores.clickhouse.store import ClickHouseReadStore
from aigestion.readstores.clickhouse.tables import Layout
from aigestion.readstores.port import View
from tests.support.history import History

ANALYTICS = tuple(one for one in PROJECTIONS if one.store == "analytics")


class Analytics:
    """Views of a history, generation after generation."""

    def __init__(self, engine: Engine, layout: Layout) -> None:
        self.engine = engine
        self.layout = layout
        self.store = ClickHouseReadStore(engine, layout)
        self.progress = Progress(one.name for one in ANALYTICS)
        self.views: dict[str, View] = {}

    async def build(self, history: History, generation: int = 1) -> None:
        """Fill views of this generation and let them serve."""
        for projection in ANALYTICS:
            view = View(projection.name, projection.version, generation)
            await self.store.prepare(view)
            changes = [change for one in history.events for change in projection.project(one)]
            await self.store.apply(view, changes, history.head)
            await self.store.serve(view)
            self.progress.advance(view, history.head)
            self.views[projection.name] = view

    async def deliver_again(self, history: History) -> None:
        """Write every row once more, in other batches."""
        for projection in ANALYTICS:
            changes = [change for one in history.events for change in projection.project(one)]
            for start in range(0, len(changes), 997):
                batch = changes[start : start + 997]
                await self.store.amend(self.views[projection.name], batch, history.head)

    async def contract(self) -> dict[str, list[Any]]:
        """Every row of every view of the contract."""
        database = self.layout.contract_database
        return {
            one.name: sorted(
                await self.engine.query(f"SELECT * FROM {database}.{one.name}"), key=repr
            )
            for one in VIEWS
        }
