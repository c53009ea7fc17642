"""`aigestion replay`: the page a person reads, and the JSON a program reads."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from aigestion.cli import connection, views
from aigestion.cli.app import aigestion
from aigestion.cli.connection import Place
from aigestion.events.conversation import UserAction
from tests.unit.audit.histories import ASKED, CONVERSATION, HEARD, REPLIED, STARTED, WHO, Truth
from tests.unit.audit.test_replay import MODEL_FAILED, RUN_FAILED
from tests.unit.cli.open_logs import opening


@pytest.fixture
def truth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Truth:
    truth = Truth(tmp_path)
    monkeypatch.setattr(connection, "open_log", opening(truth))
    return truth


def call(*arguments: str) -> Result:
    return CliRunner().invoke(
        aigestion, ["replay", str(CONVERSATION), "--data-dir", "/unused", *arguments]
    )


def test_a_conversation_is_a_page(truth: Truth) -> None:
    asyncio.run(truth.tell())

    page = call().stdout

    assert page.splitlines()[0] == f"Holes  ({CONVERSATION})"
    assert "ana with assistant, tenant demo, started 2026-05-04 12:01:00.000Z" in page
    assert "user ana  2026-05-04 12:02:00.000Z  position 2\n  ¿Qué es" in page
    assert "assistant assistant  2026-05-04 12:05:00.000Z  position 5\n  It has no holes" in page
    assert "  [1] Architecture, passage 3" in page
    assert "model builtin-1: stop, 12 tokens in, 7 out, 0.50 s  position 4" in page


def test_at_a_position_the_agent_had_not_answered(truth: Truth) -> None:
    asyncio.run(truth.tell())

    page = call("--at", "3").stdout

    assert "as it stood at position 3" in page
    assert "(had not answered yet)" in page
    assert "It has no holes" not in page


def test_failure_action_and_erasure_are_shown(truth: Truth) -> None:
    clicked = UserAction(**WHO, name="cl\x1bick", properties={"n": 1})
    asyncio.run(truth.tell([STARTED, clicked, ASKED, HEARD, MODEL_FAILED, RUN_FAILED]))

    page = call().stdout
    asyncio.run(truth.vault.destroy("demo", "user:ana"))
    erased = call().stdout

    assert '  cl\\x1bick {"n":1}' in page
    assert "  It has no\n  failed: The model broke off; please ask again." in page
    assert "model gpt-5-mini: cut-off, 2.00 s" in page
    assert "(erased: text)" in erased


def test_json_has_every_message_with_its_role(truth: Truth) -> None:
    asyncio.run(truth.tell())

    replayed = json.loads(call("--json").stdout)

    assert [message["role"] for message in replayed["messages"]] == ["user", "assistant"]
    assert replayed["messages"][1]["text"] == REPLIED.text
    assert replayed["position"] == 5


def test_an_unknown_conversation_is_one_line(truth: Truth) -> None:
    asyncio.run(truth.tell())

    result = call("--tenant", "other")

    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: There is no conversation {CONVERSATION}")


def test_a_time_is_the_position_before_it(truth: Truth) -> None:
    asyncio.run(truth.tell())

    assert call("--at", "2026-05-04T12:04Z").stdout == call("--at", "3").stdout
    assert call("--at", "2026-05-04").exit_code == 1


def test_what_changed_is_marked(truth: Truth) -> None:
    asyncio.run(truth.tell([STARTED, ASKED, HEARD, REPLIED, UserAction(**WHO, name="cl\x1bick")]))

    page = call("--diff", "3").stdout
    as_json = json.loads(call("--diff", "2026-05-04T12:04Z", "--json").stdout)

    assert "between positions 3 and 5" in page
    assert "~ assistant assistant" in page
    assert "~   It has no holes [1]." in page
    assert "before: writing at position 3" in page
    assert "+   cl\\x1bick {}" in page
    assert (as_json["since"], as_json["position"]) == (3, 5)
    assert [one["before"]["state"] for one in as_json["changed"]] == ["writing"]
    assert "nothing changed" in call("--diff", "5").stdout


@pytest.mark.parametrize(
    "wrong", [["--diff", "4", "--at", "2"], ["--at", "0"], ["--dry-run"], ["--project", "runs"]]
)
def test_a_wrong_call_is_named(truth: Truth, wrong: list[str]) -> None:
    asyncio.run(truth.tell())

    assert call(*wrong).exit_code == 2


class Compared:
    """Read models of which one is compared."""

    def __init__(self, differing: int) -> None:
        self._differing = differing
        self.asked: list[str] = []

    async def verify(self, name: str) -> AsyncIterator[dict[str, Any]]:
        self.asked.append(name)
        yield {"position": 3, "head": 5}
        row = {"collection": "runs", "key": "r", "position": 4, "found": None}
        yield {
            "done": True,
            "result": {
                "view": "runs_v1_g1",
                "position": 5,
                "found": {"rows": 3},
                "differing_rows": self._differing,
                "first": row if self._differing else None,
            },
        }


@pytest.mark.parametrize("differing", [0, 1])
def test_the_whole_log_is_folded_and_compared(
    monkeypatch: pytest.MonkeyPatch, differing: int
) -> None:
    compared = Compared(differing)

    @asynccontextmanager
    async def open_views(_place: Place) -> AsyncIterator[Compared]:
        yield compared

    monkeypatch.setattr(views, "open_views", open_views)

    result = CliRunner().invoke(aigestion, ["replay", "--all", "--project", "runs", "--dry-run"])

    assert (result.exit_code, compared.asked) == (differing, ["runs"])
    said = "1 rows differ; first runs/r" if differing else "3 rows equal the fold of the log"
    assert said in result.stdout


@pytest.mark.parametrize(
    "wrong", [["--all"], ["--all", "--dry-run"], ["--all", "--project", "runs"], []]
)
def test_a_replay_of_all_only_compares(wrong: list[str]) -> None:
    result = CliRunner().invoke(aigestion, ["replay", *wrong])

    assert result.exit_code == 2
    assert "--dry-run" in result.stderr or "--project" in result.stderr
