"""`aigestion audit export` and `audit verify --export`: what they take, and what they say."""

import asyncio
import hashlib
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from aigestion.cli import export as command
from aigestion.cli.app import aigestion
from tests.unit.audit.histories import Truth
from tests.unit.cli.open_logs import opening


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where to; the log has five events, a minute apart."""
    truth = Truth(tmp_path)
    asyncio.run(truth.tell())
    monkeypatch.setattr(command, "open_log", opening(truth))
    return tmp_path / "out"


def export(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(
        aigestion, ["audit", "export", str(folder), "--data-dir", "/unused", *arguments]
    )


def verify(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(aigestion, ["audit", "verify", "--export", str(folder), *arguments])


def test_the_whole_log_is_exported_and_proved(folder: Path) -> None:
    exported, verified = export(folder), verify(folder)

    assert exported.exit_code == 0, exported.output
    assert "5 events, positions 1 to 5, in 1 file in" in exported.stdout
    assert hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest() in exported.stdout
    assert verified.exit_code == 0
    assert verified.stdout.startswith("ok    export                  5 events: each position once")
    for path in (folder, *folder.iterdir()):
        assert path.stat().st_mode & 0o077 == 0


def test_positions_and_times_bound_it(folder: Path) -> None:
    told = export(
        folder, "--from", "2026-05-04T12:02Z", "--to", "2026-05-04T12:04Z", "--json"
    ).stdout
    again = export(folder, "--from", "2", "--to", "3").stdout

    summary = json.loads(told)
    assert (summary["first"], summary["last"], summary["events"]) == (2, 3, 2)
    assert summary["manifest_sha256"] in again


def test_without_bounds_an_export_that_was_begun_goes_on(folder: Path) -> None:
    export(folder, "--from", "2", "--to", "4")

    assert "positions 2 to 4" in export(folder).stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--to", "6"], "The log ends at position 5"),
        (["--from", "4", "--to", "3"], "nothing to export"),
        (["--from", "2027-01-01"], "nothing to export"),
    ],
)
def test_what_cannot_be_exported_is_one_line(folder: Path, arguments: list[str], said: str) -> None:
    result = export(folder, *arguments)

    assert result.exit_code == 1
    assert said in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not folder.exists()


def test_a_folder_that_cannot_be_made_is_one_line(folder: Path) -> None:
    folder.write_text("a file")

    result = export(folder / "below")

    assert result.exit_code == 1
    assert len(result.stderr.strip().splitlines()) == 1


def test_a_changed_file_is_exit_code_1_and_its_first_position(folder: Path) -> None:
    export(folder)
    next(folder.glob("events-*")).write_text("{}")

    result = verify(folder, "--json")

    assert result.exit_code == 1
    assert json.loads(result.stdout)["passed"] is False
    assert result.stderr == "first bad position: 1\n"
