"""The page as a person uses it, after 10,000 interactions: its numbers, its ways, and its manners."""

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.browser import require_browser, visited
from tests.support.page_fold import PageFold, View
from tests.support.program import Program
from tests.support.seeded_log import TENANT, read_back, seed

INTERACTIONS = 10_000
CATCH_UP_SECONDS_MAX = 240
ASKED = ("activity", "model_calls", "runs", "conversations", "documents", "directory")
"""The read models that the page shows something of."""


@dataclass
class Seeded:
    """A running program with a past, and a key of the tenant whose past it is."""

    program: Program
    key: str
    begin: datetime

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        status, answer = self.program.http(method, path, body, Authorization=f"Bearer {self.key}")
        assert status < 300, answer
        return answer

    def visited(self, scenario: str, **more: Any) -> Any:
        return visited(scenario, self.program.connect()["http_url"], self.key, **more)


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seeded]:
    require_browser()
    now = datetime.now(UTC)
    begin = now.replace(minute=0, second=0, microsecond=0) - timedelta(days=38)
    with Program(tmp_path_factory.mktemp("dashboard") / "data") as program:
        program.start("--no-demo")
        created = program.cli("tenants", "create", TENANT, "--json")
        assert created.returncode == 0, created.stderr
        seeded = Seeded(program, json.loads(created.stdout)["key"], begin)
        asyncio.run(seed(program.data_dir, INTERACTIONS, begin))
        _catch_up(seeded)
        yield seeded
        program.stop()


def _catch_up(seeded: Seeded) -> None:
    deadline = time.monotonic() + CATCH_UP_SECONDS_MAX
    while True:
        found = seeded.ask("GET", "/v1/projections")["items"]
        if all(one["lag"] == 0 for one in found if one["name"] in ASKED):
            return
        assert time.monotonic() < deadline, found
        time.sleep(0.2)


VIEWS = (
    View(path="overview", bucket="day", tz="UTC"),
    View(path="overview", bucket="day", tz="Europe/Madrid", by="agent"),
    View(path="overview", bucket="week", tz="Asia/Kolkata", only=("agent", "clerk")),
    View(path="latency", bucket="day", tz="Europe/Madrid"),
    View(path="latency", bucket="week", tz="UTC", by="model"),
    View(path="models", bucket="week", tz="UTC", by="returned_model"),
    View(path="retrieval", bucket="day", tz="America/New_York"),
    View(path="agents", bucket="month", tz="Europe/Madrid", by="outcome"),
)


def test_every_number_on_the_page_equals_a_fold_of_the_log(seeded: Seeded) -> None:
    begin, end = seeded.begin, seeded.begin + timedelta(days=30)

    pages = seeded.visited("figures", addresses=[view.address(begin, end) for view in VIEWS])

    log = asyncio.run(read_back(seeded.program.data_dir))
    compared = 0
    for view, page in zip(VIEWS, pages, strict=True):
        fold = PageFold(log, TENANT, view, begin, end)
        assert fold.differences(page) == [], view
        compared += fold.compared
    assert compared > 1_000
    assert {"Messages and replies", "Tokens"} <= pages[0]["charts"].keys()
    assert pages[1]["charts"]["Failures"]["columns"][1:] in (["clerk", "guide"], ["guide", "clerk"])


def test_a_key_opens_the_page_and_is_gone_when_its_owner_leaves(seeded: Seeded) -> None:
    writer = seeded.program.cli(
        "keys", "create", "a writer", "--scope", "write", "--tenant", TENANT, "--json"
    )

    seen = seeded.visited("sign-in", writer=json.loads(writer.stdout)["key"])

    assert "API key is needed" in seen["refused"]
    assert seen["keptAfterRefusal"] == []
    assert seen["tenant"] == TENANT
    assert seen["tenantAfterReload"] == TENANT
    assert seen["keptAfterLeaving"] == []
    assert "lacks the scope read" in seen["without"]


def test_from_a_point_of_a_chart_to_the_steps_of_a_run(seeded: Seeded) -> None:
    seen = seeded.visited("drill-down")

    assert seen["thirtyDays"] == 30
    assert seen["weeks"] in (5, 6)
    assert {line.split("\n")[0] for line in seen["legend"]} == {"clerk", "guide"}
    assert seen["address"] == "#/overview?range=30d&only=agent%3Aclerk"
    assert seen["afterReload"]["pressed"] == "30 days"
    assert "agent: clerk" in seen["afterReload"]["filters"]
    assert seen["behind"]["hash"].startswith("#/behind?")
    assert set(seen["behind"]["agents"]) == {"clerk"}
    assert seen["firstPage"] == 50
    assert len(set(seen["links"])) == len(seen["links"]) > 50
    assert set(seen["replied"]) == {"✓ replied"}
    assert seen["steps"][:3] == ["Heard", "Started", "Context retrieved"]
    assert seen["steps"][3:] in (
        ["Model asked, attempt 1", "Replied"],
        ["Model asked, attempt 1", "Model asked, attempt 2", "Replied"],
    )
    assert "+0.000 s" in seen["timeline"]
    assert "Model answered" in seen["timeline"]
    assert seen["focused"] == "H1"
    assert seen["messages"] > 0
    assert seen["back"] == seen["address"]


def test_the_keys_do_what_the_mouse_does(seeded: Seeded) -> None:
    seen = seeded.visited("keys")

    assert seen["outline"] == "solid"
    assert "messages" in seen["last"]
    assert seen["earlier"] != seen["last"]
    assert seen["keyed"].startswith("#/behind?")
    assert seen["run"].startswith("#/runs/")


def test_figures_follow_what_happens_at_most_once_a_second(seeded: Seeded) -> None:
    conversation = seeded.ask("POST", "/v1/conversations", {})["conversation_id"]

    seen = seeded.visited("live-update", conversation=conversation)

    first, second, *_ = seen["resumed"]
    assert int(second) > int(first)
    assert seen["after"] - seen["before"] == 15
    assert len(seen["gaps"]) >= 2
    assert sum(seen["gaps"]) / len(seen["gaps"]) >= 900  # one may be late, and the next in time
    assert seen["spent"] <= 2  # in six seconds, as half of the key's requests of a minute were gone


def test_every_view_is_whole_light_and_dark_wide_and_narrow(seeded: Seeded) -> None:
    seen = seeded.visited("around")

    assert set(seen["overflows"].values()) == {0}
    assert len(seen["overflows"]) == 12
    assert seen["colours"]["light"] != seen["colours"]["dark"]
    assert seen["keptDark"] == "dark"
    assert seen["preferred"] == "dark"
    assert all(seen["panels"].values())
    assert seen["panels"]["Projections"] == ["Read models", "Engines"]


def test_what_is_not_there_or_fails_is_said_with_a_way_out(seeded: Seeded) -> None:
    seen = seeded.visited("troubles")

    assert "Nothing of this happened" in seen["empty"]
    assert "400 days" in seen["tooLong"]
    assert "cannot be reached" in seen["broken"]
    assert seen["others"] == 1
    assert "no such run" in seen["noRun"]
    assert "no such view" in seen["noView"]
    assert "before" in seen["backwards"]
    assert all("Failed to load resource" in line for line in seen["expected"])
    assert "Sign in again" in seen["revoked"]


def test_the_graphql_page_answers_and_has_the_same_manners(seeded: Seeded) -> None:
    seen = seeded.visited("explorer")

    assert {"agent": "assistant"} in seen["agents"]["data"]["agents"]["items"]
    assert seen["unknown"]["errors"][0]["extensions"]["code"] == "invalid-input"
    assert seen["overflows"] == [0, 0]
