"""How views are laid out: the names of their databases, and the statements that make them."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from aigestion.kernel.errors import Misconfigured
from aigestion.readstores.clickhouse.contract import DATABASE, VIEWS
from aigestion.readstores.port import View

SCRIPTS = Path(__file__).parent / "sql"
CHECKPOINT = "checkpoint"


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """A database a view; in it a table a collection, and one for the checkpoint."""

    scripts: Path = SCRIPTS
    """Has `<projection>.sql` for every projection."""
    namespace: str | None = None
    """Begins the name of every database, where several logs share one server."""
    cluster: str | None = None
    """Tables are made, and replicated, on every server of this cluster of one shard."""
    retention_days: int | None = None
    """Rows of views that serve may go when what they tell of is older than that."""

    def database(self, view: View) -> str:
        """`activity_v3_g1` in a process of its own, `aigestion_activity_v3_g1` on a server."""
        return view.name if self.namespace is None else f"{self.namespace}_{view.name}"

    def statements(self, view: View) -> Iterator[str]:
        """Make the view. Each may be run again; the checkpoint's table is last."""
        script = self.scripts / f"{view.projection}.sql"
        if not script.exists():
            raise Misconfigured(
                f"The projection {view.projection} has no tables: {script} is missing."
            )
        yield f"CREATE DATABASE IF NOT EXISTS {self.database(view)}{self._on_cluster}"
        for template in (script, SCRIPTS / f"{CHECKPOINT}.sql"):
            yield self._filled(template.read_text(), view)

    def expiry(self, view: View, table: str) -> str | None:
        """Let old rows go from now on; None if they stay."""
        if self.retention_days is None:
            return None
        return (
            f"ALTER TABLE {self.database(view)}.`{table}`{self._on_cluster} "
            f"MODIFY TTL toDateTime(occurred_at) + INTERVAL {self.retention_days} DAY"
        )

    @property
    def contract_database(self) -> str:
        """Holds the views that people and dashboards ask: `analytics`, or `aigestion_analytics`."""
        return DATABASE if self.namespace is None else f"{self.namespace}_{DATABASE}"

    def contract(self, view: View) -> Iterator[str]:
        """Let every view of the contract that shows this projection show this view of it."""
        shown = [one for one in VIEWS if one.projection == view.projection]
        if shown:
            yield f"CREATE DATABASE IF NOT EXISTS {self.contract_database}{self._on_cluster}"
        for one in shown:
            rows = one.select.replace(f"{{{view.projection}}}", self.database(view))
            name = f"{self.contract_database}.{one.name}{self._on_cluster}"
            yield f"CREATE OR REPLACE VIEW {name} AS\n{rows}"

    def drop(self, view: View) -> str:
        """Remove the view. Its files go later: `SYNC` would wait for every query that reads them."""
        return f"DROP DATABASE IF EXISTS {self.database(view)}{self._on_cluster}"

    def _filled(self, template: str, view: View) -> str:
        return (
            template.replace("{view}", self.database(view))
            .replace("{on_cluster}", self._on_cluster)
            .replace("{replicated}", "" if self.cluster is None else "Replicated")
        )

    @property
    def _on_cluster(self) -> str:
        return "" if self.cluster is None else f" ON CLUSTER '{self.cluster}'"


IN_PROCESS = Layout()
