"""The face of every command: help with an example, one line for an error, the right exit code."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from aigestion.cli.app import aigestion
from aigestion.kernel.errors import Corrupt
from tests.unit.cli.fake_api import write_connect

LAZY = ("asyncpg", "httpx2", "litestar", "msgspec", "nats", "pydantic", "rich", "structlog")


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield (*path, name)


ALL = list(commands(aigestion))
ON_SERVERS = ("prove", "settings", "migrate", "api", "relay", "project", "agents")


def call(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(aigestion, arguments, env=environment)


@pytest.fixture
def broken_command() -> Iterator[list[BaseException]]:
    """A command that raises what a test puts into the list."""
    errors: list[BaseException] = []

    @click.command()
    def broken() -> None:
        raise errors[0]

    aigestion.add_command(broken)
    yield errors
    del aigestion.commands["broken"]


def test_the_commands_are_the_ones_the_readme_names() -> None:
    assert [path[0] for path in ALL if len(path) == 1] == [
        "up", "ask", "chat", "events", "explain", "replay", "doctor", "prove", "settings",
        "migrate", "api", "relay", "project", "agents",
    ]  # fmt: skip
    assert {p[1] for p in ALL if p[0] == "audit"} == {
        "verify", "export", "checkpoints", "key", "prove",
    }  # fmt: skip
    assert {p[1] for p in ALL if p[0] == "projections"} == {
        "status", "rebuild", "rollback", "verify", "parked", "redrive",
    }  # fmt: skip
    assert {p[1:] for p in ALL if p[0] == "agents"} == {
        (), ("list",), ("show",), ("versions",), ("define",), ("rollback",),
    }  # fmt: skip
    assert {p[1] for p in ALL if p[0] == "keys"} == {"create", "list", "expire", "revoke"}
    assert {p[1] for p in ALL if p[0] == "tenants"} == {"create", "list"}


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_has_help_with_an_example_and_json(path: tuple[str, ...]) -> None:
    shown = call(*path, "--help")

    assert shown.exit_code == 0
    assert "Example:" in shown.output
    assert "--json" in shown.output
    assert path[0] in ON_SERVERS or "--data-dir" in shown.output


def test_an_error_is_one_line_and_exit_code_1(broken_command: list[BaseException]) -> None:
    broken_command.append(Corrupt("the bytes \x1b[31m are\nnot what they were"))

    result = call("broken")

    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == "error: the bytes \\x1b[31m are\\nnot what they were\n"


def test_ctrl_c_is_quiet_and_exit_code_130(broken_command: list[BaseException]) -> None:
    broken_command.append(KeyboardInterrupt())

    result = call("broken")

    assert (result.exit_code, result.output) == (130, "")


def test_a_fault_of_the_program_is_not_hidden(broken_command: list[BaseException]) -> None:
    broken_command.append(ZeroDivisionError())

    assert isinstance(call("broken").exception, ZeroDivisionError)


@pytest.mark.parametrize("wrong", [["nonsense"], ["replay", "no-uuid"], ["up", "--port", "65536"]])
def test_a_wrong_call_is_exit_code_2(wrong: list[str]) -> None:
    assert call(*wrong).exit_code == 2


@pytest.mark.parametrize(
    "path", [["events"], ["replay", "0199aa10-0000-7000-8000-000000000001"], ["audit", "verify"]]
)
def test_without_a_data_dir_the_way_to_one_is_named(path: list[str], tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"

    result = call(*path, "--data-dir", str(nowhere))

    assert result.exit_code == 1
    assert f"aigestion up --data-dir {nowhere}" in result.stderr
    assert not nowhere.exists()


@pytest.mark.parametrize("path", [["ask", "hello"], ["chat"], ["events", "--follow"]])
def test_without_a_running_system_the_way_to_one_is_named(path: list[str], tmp_path: Path) -> None:
    result = call(*path, AIGESTION_DATA_DIR=str(tmp_path))

    assert result.exit_code == 1
    assert f"Nothing is running on {tmp_path}. Start it: aigestion up" in result.stderr


def test_a_connect_file_of_a_process_that_is_gone_counts_for_nothing(tmp_path: Path) -> None:
    write_connect(tmp_path, "http://127.0.0.1:1", running=False)

    assert "Nothing is running" in call("ask", "hi", "--data-dir", str(tmp_path)).stderr


def test_a_broken_connect_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "connect.json").write_text("{")

    result = call("ask", "hello", "--data-dir", str(tmp_path))

    assert result.exit_code == 1
    assert "connect.json" in result.stderr


def test_a_system_that_does_not_answer_is_one_line(tmp_path: Path) -> None:
    write_connect(tmp_path, "http://127.0.0.1:9")

    result = call("ask", "hello", "--data-dir", str(tmp_path))

    assert result.exit_code == 1
    assert len(result.stderr.strip().splitlines()) == 1


def test_settings_show_the_tree_and_mask_secrets() -> None:
    shown = call("settings", AIGESTION_OPENAI__API_KEY="sk-canary", AIGESTION_HTTP__PORT="9123")
    as_json = call("settings", "--json", AIGESTION_OPENAI__API_KEY="sk-canary")

    assert "sk-canary" not in shown.output + as_json.output
    assert "**********" in shown.output
    assert "9123" in shown.output
    assert "AIGESTION_HTTP__PORT" in shown.output
    assert json.loads(as_json.output)["openai"]["api_key"] == "**********"


def test_faulty_settings_are_all_named_in_one_line() -> None:
    result = call("settings", AIGESTION_HTTP__PORT="many", AIGESTION_NONSENSE="1")

    assert result.exit_code == 1
    assert "http.port" in result.stderr
    assert "AIGESTION_NONSENSE" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_the_settings_file_names_the_data_dir(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(f'data_dir = "{tmp_path}/elsewhere"\n')

    result = call("events", AIGESTION_SETTINGS_FILE=str(file))

    assert f"{tmp_path}/elsewhere" in result.stderr


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['aigestion', '--help']\n"
        "from aigestion.__main__ import main\n"
        "try: main()\n"
        f"finally: print([m for m in {LAZY!r} if m in sys.modules], file=sys.stderr)"
    )

    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert ran.stderr.strip() == "[]"


def test_a_reader_who_leaves_early_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)

    ran = subprocess.run(
        [sys.executable, "-m", "aigestion", "settings"],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writing)

    assert ran.stderr == ""


def test_a_terminal_of_another_encoding_gets_escapes() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "aigestion", "settings"],
        env={**os.environ, "PYTHONIOENCODING": "latin-1", "AIGESTION_DATA_DIR": "/ñ/你"},
        capture_output=True,
        check=False,
    )

    assert ran.returncode == 0
    assert "/ñ/\\u4f60".encode("latin-1") in ran.stdout
