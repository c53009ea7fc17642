"""Asking and chatting: what is said once, heard as recorded, and printed without harm."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from aigestion.cli.app import aigestion
from aigestion.client import dialogue as dialogue_module
from aigestion.client.dialogue import Dialogue
from aigestion.client.http import Api
from tests.unit.cli.fake_api import (
    CONVERSATION,
    EVENT_ID,
    RUN_ID,
    delta,
    failed,
    fake_api,
    recorded,
    replied,
    talking,
)

CITED = [{"number": 1, "document_id": "d", "passage": 3, "title": "Archi\x1btecture"}]


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialogue_module, "PAUSE_SECONDS", 0.0)


def call(data_dir: Path, *arguments: str, said: str | None = None) -> Result:
    return CliRunner().invoke(aigestion, [*arguments, "--data-dir", str(data_dir)], input=said)


async def heard(data_dir: Path, *streams: list[str]) -> tuple[Any, list[str], Any]:
    """(reply, pieces, what the API was asked)."""
    pieces: list[str] = []
    with fake_api(data_dir, talking(*streams)) as api:
        async with Api(api.url, "aig_key") as door:
            dialogue = await Dialogue.start(door)
            reply = await dialogue.say("hello", pieces.append)
    return reply, pieces, api


async def test_pieces_come_as_they_are_written_and_the_reply_as_recorded(tmp_path: Path) -> None:
    started = recorded(7, "run.started")

    reply, pieces, api = await heard(
        tmp_path, [started, delta("It has "), delta("no holes"), replied(9, "It has no holes.")]
    )

    assert pieces == ["It has ", "no holes"]
    assert (reply.state, reply.text, reply.position) == ("final", "It has no holes.", 9)
    assert reply.event_id == EVENT_ID
    (said,) = api.of("POST", "/interactions")
    assert said.body == {"type": "user.chat", "payload": {"text": "hello"}}
    assert said.headers["Authorization"] == "Bearer aig_key"
    (listened,) = api.of("GET", "/stream")
    assert listened.headers["Last-Event-ID"] == "5"


async def test_the_stream_is_open_before_anything_is_said(tmp_path: Path) -> None:
    _, _, api = await heard(tmp_path, [replied(9, "x")])

    kinds = [one.path.rpartition("/")[2] for one in api.asked]
    assert kinds.index("stream") < kinds.index("interactions")


async def test_pieces_before_the_run_is_known_are_kept(tmp_path: Path) -> None:
    _, pieces, _ = await heard(
        tmp_path, [delta("early "), recorded(7, "run.started"), delta("late"), replied(9, "x")]
    )

    assert pieces == ["early ", "late"]


async def test_another_run_of_the_conversation_is_not_mixed_in(tmp_path: Path) -> None:
    other = "0199aa10-0000-7000-8000-0000000000cc"
    somebody_else = replied(8, "theirs", in_reply_to=other, run_id=other)

    reply, pieces, _ = await heard(
        tmp_path,
        [
            recorded(7, "run.started"),
            delta("theirs", other),
            delta("ours"),
            somebody_else,
            replied(9, "ours"),
        ],
    )

    assert (reply.text, pieces) == ("ours", ["ours"])


async def test_a_failed_run_says_what_the_user_is_told(tmp_path: Path) -> None:
    reply, _, _ = await heard(tmp_path, [failed(8)])

    assert (reply.state, reply.reason) == ("failed", "timeout")
    assert reply.notice == "The model did not answer."


async def test_a_stopped_run_is_an_end(tmp_path: Path) -> None:
    reply, pieces, _ = await heard(
        tmp_path, [recorded(7, "run.started"), delta("half"), recorded(9, "run.cancelled")]
    )

    assert (reply.state, reply.text, pieces) == ("cancelled", "", ["half"])


def test_ask_shows_a_stopped_run_plainly(tmp_path: Path) -> None:
    with fake_api(tmp_path, talking([delta("half"), recorded(8, "run.cancelled")])):
        result = call(tmp_path, "ask", "hello")

    assert (result.exit_code, result.stdout) == (1, "")
    assert "(was stopped)" in result.stderr


async def test_a_broken_stream_is_taken_up_behind_the_last_event(tmp_path: Path) -> None:
    reply, _, api = await heard(
        tmp_path, [recorded(7, "run.started"), delta("half")], [], [replied(9, "whole")]
    )

    assert reply.text == "whole"
    ids = [one.headers["Last-Event-ID"] for one in api.of("GET", "/stream")]
    assert ids == ["5", "7", "7"]
    assert len(api.of("POST", "/interactions")) == 1


def test_a_stream_that_never_ends_the_run_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialogue_module, "CONNECTIONS_MAX", 3)

    with fake_api(tmp_path, talking([], [], [])) as api:
        result = call(tmp_path, "ask", "hello")

    assert result.exit_code == 1
    assert CONVERSATION in result.stderr
    assert len(api.of("GET", "/stream")) == 3


def test_ask_prints_the_reply_and_its_sources_without_control_characters(tmp_path: Path) -> None:
    with fake_api(tmp_path, talking([replied(9, "Dense\x1b[2J [1].\nYes.", citations=CITED)])):
        result = call(tmp_path, "ask", "what is a dense position?")

    assert result.exit_code == 0
    assert result.stdout == "Dense\\x1b[2J [1].\nYes.\n\n[1] Archi\\x1btecture, passage 3\n"
    assert CONVERSATION in result.stderr


def test_ask_shows_a_failed_run_plainly(tmp_path: Path) -> None:
    with fake_api(tmp_path, talking([delta("half"), failed(8)])):
        result = call(tmp_path, "ask", "hello")

    assert result.exit_code == 1
    assert result.stdout == ""
    assert "failed: The model did not answer. (timeout)" in result.stderr


def test_ask_as_json_is_the_whole_reply(tmp_path: Path) -> None:
    with fake_api(tmp_path, talking([replied(9, "Dense.", citations=CITED)])):
        result = call(tmp_path, "ask", "hello", "--json")

    reply = json.loads(result.stdout)
    assert (reply["text"], reply["run_id"], reply["state"]) == ("Dense.", RUN_ID, "final")
    assert reply["citations"] == CITED


def test_ask_goes_on_with_a_conversation(tmp_path: Path) -> None:
    with fake_api(tmp_path, talking([replied(9, "x")])) as api:
        result = call(tmp_path, "ask", "and then?", "--conversation", CONVERSATION)

    assert result.exit_code == 0
    assert api.of("POST", "/v1/conversations") == []


def test_an_unknown_conversation_is_one_line(tmp_path: Path) -> None:
    def unknown(api: Any) -> None:
        problem = {"detail": "There is no such conversation.", "code": "not-found", "status": 404}
        api.routes["GET", f"/v1/conversations/{CONVERSATION}"] = (404, problem)

    with fake_api(tmp_path, unknown):
        result = call(tmp_path, "ask", "hello", "--conversation", CONVERSATION)

    assert result.exit_code == 1
    assert result.stderr == "error: There is no such conversation.\n"


def test_chat_holds_a_conversation_until_quit(tmp_path: Path) -> None:
    frames = [[replied(9, "one")], [replied(12, "two")]]
    with fake_api(tmp_path, talking(*frames)) as api:
        result = call(tmp_path, "chat", said="hello\n\n  and?  \n/quit\nnever said\n")

    assert result.exit_code == 0
    assert result.stdout.split() == ["one", "two"]
    texts = [one.body["payload"]["text"] for one in api.of("POST", "/interactions")]
    assert texts == ["hello", "and?"]
    assert [one.headers["Last-Event-ID"] for one in api.of("GET", "/stream")] == ["5", "9"]
    assert len(api.of("POST", "/v1/conversations")) == 1


def test_chat_ends_with_its_input(tmp_path: Path) -> None:
    with fake_api(tmp_path, talking()):
        assert call(tmp_path, "chat", said="").exit_code == 0
