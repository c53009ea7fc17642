"""`aigestion agents`: definitions on a log in memory; without a command, the role."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from aigestion.cli import agents
from aigestion.cli.app import aigestion
from tests.unit.cli.tenant_log import call, open_world, told


@pytest.fixture(autouse=True)
def world(monkeypatch: pytest.MonkeyPatch) -> None:
    open_world(monkeypatch)


def define(instructions: str, *options: str, **more: Any) -> Any:
    definition = json.dumps({"description": "Ours.", "instructions": instructions, **more})
    return call("agents", "define", "assistant", "-", *options, input=definition)


def test_without_a_command_the_role_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[tuple[str, bool]] = []
    monkeypatch.setattr(agents, "run_role", lambda name, _, as_json: ran.append((name, as_json)))

    for arguments in ([], ["--json"]):
        assert CliRunner().invoke(aigestion, ["agents", *arguments]).exit_code == 0

    assert ran == [("agents", False), ("agents", True)]


def test_an_agent_is_defined_shown_and_brought_back() -> None:
    assert define("Be short.").stdout == "agent assistant is at version 1\n"
    assert define("Be short.").stdout == "agent assistant is at version 1\n"
    define("Be \x1b[31mred.", model="builtin/quote-1")
    (back,) = told("agents", "rollback", "assistant", "1")

    assert back["agent_version"] == 3
    versions = told("agents", "versions", "assistant")
    assert [one["agent_version"] for one in versions] == [0, 1, 2, 3]
    assert versions[3]["rolled_back_to"] == 1
    shown = call("agents", "show", "assistant", "--version", "2").stdout
    assert "model: builtin/quote-1" in shown
    assert shown.endswith("Be \\x1b[31mred.\n")
    (listed,) = told("agents", "list")
    assert (listed["agent_version"], listed["instructions"]) == (3, "Be short.")


def test_every_fault_is_in_the_one_line() -> None:
    refused = define("{{weather}}", model="none/such")
    bad = define(" ", colour="red")
    late = define("Be short.", "--expect", "4")

    assert [one.exit_code for one in (refused, bad, late)] == [1, 1, 1]
    for fault in ("model: 'none/such'", "instructions: {{weather}}"):
        assert fault in refused.stderr
    for fault in ("instructions: must not be empty", "colour: is not known here"):
        assert fault in bad.stderr
    assert "at version 0, not 4" in late.stderr
    assert {len(one.stderr.splitlines()) for one in (refused, bad, late)} == {1}


def test_an_agent_nobody_defined_is_not_there() -> None:
    for arguments in (("show",), ("versions",)):
        result = call("agents", *arguments, "nobody")

        assert (result.exit_code, result.stderr) == (1, "error: There is no such agent.\n")


def test_a_running_system_says_what_its_agents_may_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its settings count, not those of the terminal that the command is typed in."""
    doors = SimpleNamespace(models=("builtin/quote-1", "openai/gpt-9"))
    monkeypatch.setattr(agents, "running", lambda _: doors)

    assert define("Be short.", model="openai/gpt-9").exit_code == 0
    refused = define("Be short.", model="openai/gpt-1")
    assert "there is builtin/quote-1, openai/gpt-9" in refused.stderr
