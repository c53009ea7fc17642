"""`aigestion explain`: the tree a person reads, and the JSON a program reads."""

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from aigestion.cli import connection
from aigestion.cli.app import aigestion
from aigestion.events.conversation import UserChat
from aigestion.events.knowledge import DocumentAdded
from tests.unit.audit.histories import COMPLETED, DOCUMENT, QUESTION, RUN, WHO, Truth
from tests.unit.audit.test_explain import RETRIEVED, WHOLE
from tests.unit.audit.test_replay import MODEL_FAILED, RUN_FAILED
from tests.unit.cli.open_logs import opening

SAID = UserChat(**WHO, text="a\x1b[2Jb\nc")
KNOWN = DocumentAdded(
    document_id=DOCUMENT,
    title="Archi\x9btecture",
    media_type="text/plain",
    source=None,
    text="\n\n".join(["word " * 150] * 4),
    content_hash="00",
)


@pytest.fixture
def truth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Truth:
    truth = Truth(tmp_path)
    monkeypatch.setattr(connection, "open_log", opening(truth))
    return truth


def told(truth: Truth, *events: object) -> None:
    """The document is known; then all these are of one request, and led to by the first."""
    asyncio.run(truth.tell([KNOWN, *events]))  # type: ignore[list-item]
    first = truth.history.rows[1].event
    for row in truth.history.rows[2:]:
        truth.history.change(
            row.position, correlation_id=first.correlation_id, causation_id=first.id
        )


def call(asked: object, *arguments: str) -> Result:
    return CliRunner().invoke(
        aigestion, ["explain", str(asked), "--data-dir", "/unused", *arguments]
    )


def test_a_run_is_a_tree_with_times_and_positions(truth: Truth) -> None:
    told(truth, *WHOLE)

    result = call(RUN)

    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[1].startswith("user.chat  2026-05-04 12:02:00.000Z  user:ana  position 2  ")
    assert lines[3].startswith(f"└─ run.started assistant, run {RUN}  +60.000 s  ")
    assert "   ├─ run.context_retrieved 2 earlier messages, 2 passages  +60.000 s" in lines[4]
    assert f"[1] 0.5000  Archi\\x9btecture, passage 3, document {DOCUMENT}" in lines[5]
    assert '"word word' in lines[6]
    assert f"[2] 0.2500  (erased), passage 9, document {DOCUMENT}" in lines[7]
    requested = "model.requested builtin/builtin, attempt 1: instructions, 1 passages, question"
    assert requested in lines[8]
    assert "   │  └─ model.completed builtin/builtin-1: stop, 12 tokens in, 7 out" in lines[9]
    assert "   └─ agent.replied" in lines[10]
    assert '"It has no holes [1]."' in lines[11]


def test_what_went_wrong_is_told(truth: Truth) -> None:
    told(truth, *WHOLE[:4], MODEL_FAILED, RUN_FAILED)

    tree = call(QUESTION).stdout

    assert "model.failed openai/gpt-5-mini: cut-off: The stream broke off., 2.00 s" in tree
    assert '"It has no"' in tree
    assert "run.failed cut-off" in tree


def test_control_characters_of_data_do_not_reach_the_terminal(truth: Truth) -> None:
    told(truth, SAID, *WHOLE[1:])

    for result in (call(RUN), call(RUN, "--json")):
        assert not {"\x1b", "\x9b"} & set(result.stdout)
    assert '"a\\x1b[2Jb c"' in call(RUN).stdout


def test_json_is_the_tree(truth: Truth) -> None:
    told(truth, *WHOLE)

    tree = json.loads(call(QUESTION, "--json").stdout)

    [root] = tree["roots"]
    assert (tree["asked"], root["event"]["id"]) == (str(QUESTION), str(QUESTION))
    [run] = root["led_to"]
    context, requested, replied = run["led_to"]
    assert context["passages"][0]["text"].startswith("word word")
    assert requested["led_to"][0]["event"]["data"]["call_id"] == str(COMPLETED.call_id)
    assert replied["seconds"] == 240


def test_an_unknown_id_is_one_line(truth: Truth) -> None:
    told(truth, *WHOLE)

    unknown = call(RETRIEVED.passages[0].document_id)
    nonsense = call("nonsense")

    assert (unknown.exit_code, unknown.stdout) == (1, "")
    assert unknown.stderr == f"error: There is no event and no run {DOCUMENT}.\n"
    assert nonsense.exit_code == 2
