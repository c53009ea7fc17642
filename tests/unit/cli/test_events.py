"""`aigestion events`: which events, in which order, and printed without harm."""

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from aigestion.cli import connection
from aigestion.cli import events as command
from aigestion.cli.app import aigestion
from aigestion.events.conversation import UserAction, UserChat
from tests.unit.audit.histories import CONVERSATION, STORY, WHO, Truth
from tests.unit.cli.fake_api import write_connect
from tests.unit.cli.open_logs import opening


@pytest.fixture
def truth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Truth:
    truth = Truth(tmp_path)
    asyncio.run(truth.tell())
    monkeypatch.setattr(connection, "open_log", opening(truth))
    return truth


def call(*arguments: str) -> Result:
    return CliRunner().invoke(aigestion, ["events", "--data-dir", "/unused", *arguments])


def positions(*arguments: str) -> list[int]:
    result = call("--jsonl", *arguments)
    assert result.exit_code == 0, result.output
    return [json.loads(line)["position"] for line in result.stdout.splitlines()]


def test_all_events_come_in_order_one_a_line(truth: Truth) -> None:
    result = call()

    head, *rows = result.stdout.splitlines()
    assert head.split() == ["POSITION", "TIME", "TYPE", "ACTOR", "WHAT"]
    assert [row.split()[0] for row in rows] == ["1", "2", "3", "4", "5"]
    assert "2026-05-04 12:02:00Z  user.chat" in rows[1]
    assert "¿Qué es una posición densa?" in rows[1]


def test_json_is_one_array_and_jsonl_an_object_a_line(
    truth: Truth, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "PAGE_EVENTS_MAX", 2)

    array = json.loads(call("--json").stdout)

    assert array == [json.loads(line) for line in call("--jsonl").stdout.splitlines()]
    assert [event["position"] for event in array] == [1, 2, 3, 4, 5]
    assert json.loads(call("--json", "--after", "5").stdout) == []
    assert call("--json", "--jsonl").exit_code == 2


def test_json_is_the_whole_opened_event(truth: Truth) -> None:
    chat = json.loads(call("--jsonl", "--type", "user.chat").stdout)

    assert chat["data"]["text"] == "¿Qué es una posición densa?"
    assert chat["tags"] == [f"conversation:{CONVERSATION}", "user:ana"]
    assert chat["tenant"] == "demo"


def test_types_are_patterns(truth: Truth) -> None:
    assert positions("--type", "user.*") == [2]
    assert positions("--type", "run.*", "--type", "*.completed") == [3, 4]
    assert positions("--type", "*") == [1, 2, 3, 4, 5]


def test_an_unknown_type_is_a_wrong_call_that_names_the_known(truth: Truth) -> None:
    result = call("--type", "user.dream")

    assert result.exit_code == 2
    assert "agent.replied" in result.stderr


def test_a_tag_selects_and_belongs_to_the_tenant(truth: Truth) -> None:
    assert positions("--tag", f"conversation:{CONVERSATION}") == [1, 2, 3, 4, 5]
    assert positions("--tag", "user:ana", "--type", "user.chat") == [2]
    assert positions("--tag", "user:ana", "--tenant", "other") == []


def test_after_and_limit_cut(truth: Truth) -> None:
    assert positions("--after", "3") == [4, 5]
    assert positions("--after", "1", "--limit", "2") == [2, 3]
    assert positions("--after", "-2") == [4, 5]
    assert positions("--after", "-99") == [1, 2, 3, 4, 5]
    assert positions("--limit", "1") == [1]


def test_positions_and_times_bound_what_is_read(truth: Truth) -> None:
    assert positions("--after", "1", "--upto", "3") == [2, 3]
    assert positions("--upto", "99") == [1, 2, 3, 4, 5]
    assert positions("--since", "2026-05-04T12:03Z") == [3, 4, 5]
    assert positions("--since", "2026-05-04T14:03:01+02:00") == [4, 5]
    assert positions("--until", "2026-05-04 12:03") == [1, 2]
    assert positions("--since", "2026-05-04T12:02Z", "--until", "2026-05-04T12:04Z") == [2, 3]
    assert positions("--since", "1s") == []
    assert positions("--until", "2026-05-04") == []


@pytest.mark.parametrize(
    "wrong",
    [
        ["--since", "yesterday"],
        ["--since", "0001-01-01T00:00+14:00"],
        ["--since", "999999999w"],
        ["--upto", "0"],
        ["--correlation", "x"],
        ["--after", str(2**63)],
        ["--follow", "--upto", "5"],
        ["--follow", "--json"],
    ],
    ids=" ".join,
)
def test_a_wrong_bound_is_a_wrong_call(truth: Truth, wrong: list[str]) -> None:
    result = call(*wrong)

    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output


def test_an_actor_and_a_request_select(truth: Truth, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "PAGE_EVENTS_MAX", 2)
    correlation = truth.history.rows[3].event.correlation_id
    truth.history.change(4, actor="agent:assistant")

    assert positions("--actor", "agent:assistant") == [4]
    assert positions("--actor", "user:ana", "--limit", "4") == [1, 2, 3, 5]
    assert positions("--correlation", str(correlation)) == [4]
    assert positions("--actor", "nobody") == []


def test_everybodys_events_are_asked_for_by_name(truth: Truth) -> None:
    asyncio.run(truth.tell([STORY[0]], tenant="other"))

    assert positions() == [1, 2, 3, 4, 5]
    assert positions("--tenant", "other") == [6]
    assert positions("--all-tenants") == [1, 2, 3, 4, 5, 6]
    assert call("--all-tenants", "--tenant", "demo").exit_code == 2


def test_a_long_log_is_read_in_pages(truth: Truth, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "PAGE_EVENTS_MAX", 2)

    assert positions() == [1, 2, 3, 4, 5]
    assert positions("--limit", "3") == [1, 2, 3]
    assert max(truth.history.pages) == 2


def test_control_characters_of_data_do_not_reach_the_terminal(truth: Truth) -> None:
    nasty = "a\x1b[2J\x9b31mb\r\n"
    asyncio.run(truth.tell([UserChat(**WHO, text=nasty), UserAction(**WHO, name=nasty)]))

    for result in (
        call("--after", "5"),
        call("--after", "5", "--jsonl"),
        call("--after", "5", "--json"),
    ):
        assert not {"\x1b", "\x9b", "\r"} & set(result.stdout)
    assert json.loads(call("--after", "6", "--jsonl").stdout)["data"]["name"] == nasty


def test_what_was_erased_says_so(truth: Truth) -> None:
    asyncio.run(truth.vault.destroy("demo", "user:ana"))

    assert "[erased]" in call("--type", "user.chat").stdout
    assert json.loads(call("--type", "user.chat", "--jsonl").stdout)["erased"] == ["text"]


def test_follow_brings_what_comes(
    truth: Truth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_connect(tmp_path, "http://127.0.0.1:9")
    waited: list[float] = []

    async def append_while_waiting(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 2:
            await truth.tell([STORY[1]])

    monkeypatch.setattr(asyncio, "sleep", append_while_waiting)

    result = CliRunner().invoke(
        aigestion,
        [
            "events",
            "--follow",
            "--jsonl",
            "--after",
            "4",
            "--limit",
            "2",
            "--data-dir",
            str(tmp_path),
        ],
    )

    assert [json.loads(line)["position"] for line in result.stdout.splitlines()] == [5, 6]
    assert waited == [command.POLL_SECONDS] * 2


def test_follow_begins_a_few_events_back(
    truth: Truth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_connect(tmp_path, "http://127.0.0.1:9")
    monkeypatch.setattr(command, "FOLLOW_BACK", 2)

    result = CliRunner().invoke(
        aigestion, ["events", "--follow", "--jsonl", "--limit", "2", "--data-dir", str(tmp_path)]
    )

    assert [json.loads(line)["position"] for line in result.stdout.splitlines()] == [4, 5]
