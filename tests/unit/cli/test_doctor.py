"""The doctor on a machine at rest: each fault is found, with its remedy."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from aigestion.cli import checkup_at_rest
from aigestion.cli.app import aigestion
from aigestion.cli.checkup_at_rest import look_at_data_dir, look_at_port, look_at_program
from aigestion.cli.symptom import Symptom


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """As a healthy system leaves it."""
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    (folder / "VERSION").write_text("1\n")
    (folder / "postgres").mkdir()
    for name in ("master.key", "checkpoint.key", "demo.key"):
        (folder / name).write_text("secret")
        (folder / name).chmod(0o600)
    return folder


def troubles(symptoms: Iterator[Symptom]) -> list[tuple[str, str, str]]:
    """What is not ok; each of them must say what to do."""
    found = [one for one in symptoms if one.state != "ok"]
    return [(one.state, one.part, f"{one.found} -> {one.remedy}") for one in found if one.remedy]


def call(data_dir: Path, *arguments: str, **environment: str) -> Result:
    arguments = ("doctor", "--data-dir", str(data_dir), *arguments)
    environment = {"AIGESTION_HTTP__PORT": "0", **environment}
    return CliRunner().invoke(aigestion, arguments, env=environment)


def test_a_healthy_data_dir_has_nothing_to_say(data_dir: Path) -> None:
    assert troubles(look_at_data_dir(data_dir)) == []
    assert call(data_dir).exit_code == 0


def test_a_data_dir_that_is_not_there_is_told(tmp_path: Path) -> None:
    ((state, _, said),) = troubles(look_at_data_dir(tmp_path / "none"))

    assert state == "warn"
    assert "aigestion up --data-dir" in said
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("name", ["master.key", "checkpoint.key", "demo.key", "secrets/relay"])
def test_a_secret_others_can_read_fails(data_dir: Path, name: str) -> None:
    path = data_dir / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("secret")
    path.chmod(0o640)

    ((state, part, said),) = troubles(look_at_data_dir(data_dir))

    assert (state, part) == ("fail", "secrets")
    assert f"chmod 600 {path}" in said
    assert call(data_dir).exit_code == 1


def test_a_data_dir_others_may_enter_is_told(data_dir: Path) -> None:
    data_dir.chmod(0o755)

    assert [state for state, _, _ in troubles(look_at_data_dir(data_dir))] == ["warn"]


def test_a_lost_master_key_fails(data_dir: Path) -> None:
    (data_dir / "master.key").unlink()

    ((state, _, said),) = troubles(look_at_data_dir(data_dir))

    assert state == "fail"
    assert "backup" in said


@pytest.mark.parametrize("version", ["2", "nonsense", ""])
def test_a_version_this_program_does_not_know_fails(data_dir: Path, version: str) -> None:
    (data_dir / "VERSION").write_text(version)

    assert [state for state, _, _ in troubles(look_at_data_dir(data_dir))] == ["fail"]


def test_a_folder_of_something_else_fails(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)

    assert [state for state, _, _ in troubles(look_at_data_dir(tmp_path))] == ["fail"]


@pytest.mark.parametrize(
    ("limit", "state"), [("FREE_BYTES_MIN", "fail"), ("FREE_BYTES_COMFORTABLE", "warn")]
)
def test_a_disk_that_fills_is_told(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, limit: str, state: str
) -> None:
    monkeypatch.setattr(checkup_at_rest, limit, 2**62)

    assert [found for found, _, _ in troubles(look_at_data_dir(data_dir))] == [state]


def test_a_busy_port_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        busy = look_at_port("127.0.0.1", port)

    assert (busy.state, look_at_port("127.0.0.1", port).state) == ("warn", "ok")


def test_the_engines_are_installed_here() -> None:
    assert troubles(look_at_program()) == []


def test_a_missing_engine_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(checkup_at_rest.ENGINES, "clickhouse", "no_such_module")

    ((state, part, said),) = troubles(look_at_program())

    assert (state, part) == ("fail", "clickhouse")
    assert "aigestion[embedded]" in said


def test_every_fault_of_the_settings_is_a_line(data_dir: Path) -> None:
    result = call(data_dir, "--json", AIGESTION_NONSENSE="1", AIGESTION_LOG__CONNECTIONS_MAX="0")

    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["state"] for line in lines if line["part"] == "settings"] == ["fail", "fail"]
    assert result.exit_code == 1


def test_a_line_says_state_part_finding_and_remedy(data_dir: Path) -> None:
    (data_dir / "demo.key").chmod(0o644)

    shown = call(data_dir).stdout

    assert (
        f"fail  secrets               others than its owner can read {data_dir}/demo.key" in shown
    )
    assert f"      -> chmod 600 {data_dir}/demo.key" in shown
    assert "ok    python" in shown
