"""`aigestion replay`: the page a person reads, and the JSON a program reads."""

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from aigestion.cli import replay as command
from aigestion.cli.app import aigestion
from aigestion.events.conversation import UserAction
from tests.unit.audit.histories import ASKED, CONVERSATION, HEARD, REPLIED, STARTED, WHO, Truth
from tests.unit.audit.test_replay import MODEL_FAILED, RUN_FAILED
from tests.unit.cli.open_logs import opening


@pytest.fixture
def truth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Truth:
    truth = Truth(tmp_path)
    monkeypatch.setattr(command, "open_log", opening(truth))
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
