"""The layout of views: plain, in a namespace, on a cluster, with a retention."""

import re

import pytest

from aigestion.projections.catalog import PROJECTIONS
from aigestion.readstores.clickhouse.tables import IN_PROCESS, Layout
from aigestion.readstores.port import View

ANALYTICS = [projection for projection in PROJECTIONS if projection.store == "analytics"]
VIEW = View("model_calls", 1, 3)
ON_CLUSTER = Layout(namespace="prod", cluster="everywhere")


def test_a_view_in_a_process_of_its_own_has_its_plain_name() -> None:
    assert IN_PROCESS.database(VIEW) == "model_calls_v1_g3"


def test_a_view_on_a_server_begins_with_its_namespace() -> None:
    assert Layout(namespace="prod").database(VIEW) == "prod_model_calls_v1_g3"


@pytest.mark.parametrize("layout", [IN_PROCESS, ON_CLUSTER], ids=["plain", "cluster"])
def test_the_database_comes_first_and_the_checkpoint_last(layout: Layout) -> None:
    made = [_made(statement) for statement in layout.statements(VIEW)]

    database = layout.database(VIEW)
    assert made == [database, f"{database}.model_calls", f"{database}.checkpoint"]


@pytest.mark.parametrize("projection", ANALYTICS, ids=lambda one: one.name)
def test_on_a_cluster_everything_is_made_everywhere_and_every_table_is_replicated(
    projection: object,
) -> None:
    view = View(projection.name, projection.version, 1)  # type: ignore[attr-defined]
    database, *tables = ON_CLUSTER.statements(view)

    assert database.endswith(" ON CLUSTER 'everywhere'")
    assert all(" ON CLUSTER 'everywhere' (" in table for table in tables)
    assert all("ENGINE = ReplicatedReplacingMergeTree" in table for table in tables)
    assert ON_CLUSTER.drop(view).endswith(" ON CLUSTER 'everywhere'")


@pytest.mark.parametrize("projection", ANALYTICS, ids=lambda one: one.name)
def test_without_a_cluster_nothing_is_replicated(projection: object) -> None:
    view = View(projection.name, projection.version, 1)  # type: ignore[attr-defined]
    script = "\n".join([*IN_PROCESS.statements(view), IN_PROCESS.drop(view)])

    assert "CLUSTER" not in script
    assert "Replicated" not in script


def test_rows_go_only_if_there_is_a_retention() -> None:
    brief = Layout(namespace="prod", cluster="everywhere", retention_days=90)

    assert IN_PROCESS.expiry(VIEW, "model_calls") is None
    assert brief.expiry(VIEW, "model_calls") == (
        "ALTER TABLE prod_model_calls_v1_g3.`model_calls` ON CLUSTER 'everywhere' "
        "MODIFY TTL toDateTime(occurred_at) + INTERVAL 90 DAY"
    )
    assert list(brief.statements(VIEW)) == list(ON_CLUSTER.statements(VIEW))


def test_no_placeholder_is_left_over() -> None:
    for layout in (IN_PROCESS, ON_CLUSTER):
        for projection in ANALYTICS:
            view = View(projection.name, projection.version, 1)
            made = [*layout.statements(view), *layout.contract(view)]
            assert not re.search(r"[{}]", "\n".join(made))


def test_the_contract_has_one_database_a_log_that_every_view_of_it_is_shown_in() -> None:
    made = list(ON_CLUSTER.contract(VIEW))

    assert made[0] == "CREATE DATABASE IF NOT EXISTS prod_analytics ON CLUSTER 'everywhere'"
    assert all(
        statement.startswith("CREATE OR REPLACE VIEW prod_analytics.model_calls")
        and " ON CLUSTER 'everywhere' AS" in statement
        and "FROM prod_model_calls_v1_g3.model_calls FINAL" in statement
        for statement in made[1:]
    )
    assert len(made) == 4
    assert IN_PROCESS.contract_database == "analytics"


def test_what_the_contract_does_not_show_makes_no_view() -> None:
    assert list(IN_PROCESS.contract(View("documents", 1, 1))) == []


def _made(statement: str) -> str:
    found = re.search(r"CREATE (?:DATABASE|TABLE) IF NOT EXISTS ([\w.]+)", statement)
    assert found is not None
    return found[1]
