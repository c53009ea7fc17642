"""`aigestion audit verify`: what it prints, and that any fault is exit code 1 with its first position."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from aigestion.api.projection_door import ProjectionDoor
from aigestion.bootstrap import offline
from aigestion.cli.app import aigestion
from aigestion.kernel.errors import Corrupt
from aigestion.projections.fingerprint import Fingerprint
from aigestion.projections.fold import Difference
from aigestion.projections.progress import Line
from aigestion.projections.verify import Verdict
from aigestion.readstores.port import View
from tests.unit.audit.histories import STORY, Stream, Truth
from tests.unit.cli.open_logs import opening

RUNS = View("runs", 1, 1)
ROWS = Fingerprint(3, "aa")
HEAD = len(STORY)


def a_door(*differing: Difference, built: bool = True, parked: int = 0) -> ProjectionDoor:
    """Read models of which `runs` is compared, and has these differences."""

    async def verify(_name: str, on_progress: Any) -> Verdict:
        on_progress(HEAD, HEAD, "comparing")
        first = min(differing, key=lambda one: one.position or 0, default=None)
        return Verdict(
            view=RUNS.name,
            position=HEAD,
            expected=ROWS,
            found=ROWS,
            differing_rows=len(differing),
            first=first,
            parked=parked,
            parked_from=4 if parked else None,
        )

    async def head() -> int:
        return HEAD

    async def refuse(*_: Any, **__: Any) -> Any:
        raise Corrupt("an audit rebuilds nothing")

    lines = [Line(projection="runs", view=RUNS if built else None, position=HEAD)]
    return ProjectionDoor(
        status=lambda: lines,
        head=head,
        rebuild=refuse,
        roll_back=refuse,
        verify=verify,
        parked=refuse,
        redrive=refuse,
    )


class Audit:
    """The command on a history, its mirror and its read models."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.truth = Truth(directory)
        asyncio.run(self.truth.tell())
        self.stream = Stream(asyncio.run(self.truth.messages()), HEAD)
        self.door = a_door()
        self._directory = directory
        self._monkeypatch = monkeypatch

    def verify(self, *arguments: str) -> Result:
        at_rest = opening(self.truth, broker=self.stream, projections=self.door)
        self._monkeypatch.setattr(offline, "open_at_rest", at_rest)
        call = ["audit", "verify", "--data-dir", str(self._directory), *arguments]
        return CliRunner().invoke(aigestion, call)


@pytest.fixture
def audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Audit:
    return Audit(tmp_path, monkeypatch)


def a_difference(position: int | None, found: dict[str, Any] | None = None) -> Difference:
    return Difference(
        collection="runs", key="r\x1b1", position=position, expected={"state": "a"}, found=found
    )


def test_a_clean_system_is_three_kinds_of_ok_beside_what_nobody_has_signed(audit: Audit) -> None:
    result = audit.verify()

    assert result.exit_code == 0
    log, checkpoints, broker, view = result.stdout.splitlines()
    assert checkpoints == "--    checkpoints             none"
    assert log.startswith("ok    log                     5 events: dense from 1")
    assert broker.startswith("ok    broker                  5 messages: equal")
    assert view.startswith("ok    view runs               3 rows: equal a fold of the log")
    assert result.stderr == ""


def test_json_has_every_finding(audit: Audit) -> None:
    report = json.loads(audit.verify("--json").stdout)

    assert report["passed"] is True
    assert [one["check"] for one in report["findings"]] == [
        "log",
        "checkpoints",
        "broker",
        "view runs",
    ]


def test_a_hole_in_the_log_is_named_and_views_are_not_compared(audit: Audit) -> None:
    del audit.truth.history.rows[2]

    result = audit.verify()

    assert result.exit_code == 1
    assert "FAIL  log                     position 3: is missing" in result.stdout
    assert "--    views                   not compared: a log with a fault" in result.stdout
    assert result.stderr == "first bad position: 3\n"


def test_a_message_that_was_changed_is_named(audit: Audit) -> None:
    del audit.stream.held[3]

    result = audit.verify("--json")

    assert result.exit_code == 1
    faults = {one["check"]: one["fault"] for one in json.loads(result.stdout)["findings"]}
    assert faults["log"] is None
    assert faults["broker"]["position"] == 4


def test_a_view_that_differs_is_named_by_the_event_that_touched_it_first(audit: Audit) -> None:
    audit.door = a_door(a_difference(4), a_difference(2))

    result = audit.verify()

    assert result.exit_code == 1
    assert (
        "position 2: 2 rows differ; first runs/r\\x1b1 (of position 2) is missing" in result.stdout
    )
    assert result.stderr == "first bad position: 2\n"


def test_a_row_no_event_accounts_for_is_named_at_the_checkpoint(audit: Audit) -> None:
    audit.door = a_door(a_difference(None, found={"state": "b"}))

    result = audit.verify()

    assert "(of no event) is not what the log makes it" in result.stdout
    assert result.stderr == f"first bad position: {HEAD}\n"


def test_the_first_of_all_faults_is_the_one_that_counts(audit: Audit) -> None:
    del audit.stream.held[3]
    audit.door = a_door(a_difference(2))

    assert audit.verify().stderr == "first bad position: 2\n"


def test_a_view_with_parked_events_is_not_proved(audit: Audit) -> None:
    audit.door = a_door(parked=2)

    result = audit.verify()

    assert result.exit_code == 1
    assert "position 4: 2 parked events from position 4 on: redrive them" in result.stdout
    assert result.stderr == "first bad position: 4\n"


def test_a_view_that_is_being_built_is_told(audit: Audit) -> None:
    audit.door = a_door(built=False)

    result = audit.verify()

    assert result.exit_code == 0
    assert "--    view runs               not compared: it is being built" in result.stdout


def test_what_waits_for_the_relay_at_rest_is_told(audit: Audit) -> None:
    del audit.stream.held[3:]
    audit.stream.last = 3

    result = audit.verify()

    assert result.exit_code == 0
    assert "(2 events wait for the relay)" in result.stdout
