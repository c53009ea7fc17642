"""The example of an agent that runs outside, as its readme line says it is started."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.examples import prepared, started
from tests.support.program import Program
from tests.support.tasks import soon

EXAMPLE = Path(__file__).parents[2] / "examples/agents/python"
LINES_MAX = 80


def test_an_outside_agent_answers_every_message_once_though_it_is_killed(
    program: Program, tmp_path: Path
) -> None:
    credential = tmp_path / "credential.json"
    granted = program.cli("nats", "grant", "demo", "--types", "user.*")
    credential.write_text(granted.stdout)
    issued = program.cli("keys", "create", "shouter", "--scope", "agent", "--json")
    assert (granted.returncode, issued.returncode) == (0, 0), granted.stderr + issued.stderr
    key = json.loads(issued.stdout)["key"]
    command = [*prepared(EXAMPLE, tmp_path / "agent"), credential, tmp_path / "position.txt"]
    environment = {"AIGESTION_URL": program.connect()["http_url"], "AIGESTION_KEY": key}

    with started(command, tmp_path / "first", **environment):
        _, begun = until(
            lambda: program.http("POST", "/v1/conversations", {"agent": "shouter"}),
            lambda answer: answer[0] == 201,  # once it is registered
        )
        conversation = f"/v1/conversations/{begun['conversation_id']}"
        say(program, conversation, "one")
        until(lambda: replies(program, conversation), lambda told: told == ["ONE"])
    say(program, conversation, "two")
    (tmp_path / "position.txt").write_text("0")  # killed before it could remember anything
    with started(command, tmp_path / "second", **environment):
        until(lambda: replies(program, conversation), lambda told: told == ["ONE", "TWO"])
        say(program, conversation, "three")
        until(lambda: replies(program, conversation), lambda told: told == ["ONE", "TWO", "THREE"])

    until(lambda: states(program), lambda told: told == ["replied"] * 3)


def test_the_example_stays_small() -> None:
    assert len((EXAMPLE / "agent.py").read_text().splitlines()) < LINES_MAX


def say(program: Program, conversation: str, text: str) -> None:
    body = {"type": "user.chat", "payload": {"text": text}}
    status, _ = program.http("POST", f"{conversation}/interactions", body)
    assert status == 202


def replies(program: Program, conversation: str) -> list[str]:
    messages = program.http("GET", conversation)[1].get("messages", [])  # none is known at first
    return [one["text"] for one in messages if one["kind"] == "reply" and one["text"]]


def states(program: Program) -> list[str]:
    runs = program.http("GET", "/v1/runs?agent=shouter")[1]["items"]
    return [run["state"] for run in runs]


def until(ask: Callable[[], Any], is_there: Callable[[Any], bool]) -> Any:
    return soon(lambda: answer if is_there(answer := ask()) else None)
