"""The command line on a data dir at rest: everything but talking works without the program."""

import json
from pathlib import Path
from typing import Any

from aigestion.projections.runs import runs
from tests.support.program import Program

Rested = tuple[Program, dict[str, Any]]


def test_the_audit_reads_a_data_dir_at_rest(rested: Rested) -> None:
    program, reply = rested

    verified = program.cli("audit", "verify", "--json")

    report = json.loads(verified.stdout)
    assert verified.returncode == 0, report
    log = report["findings"][0]
    assert (log["check"], log["fault"]) == ("log", None)
    assert log["checked"] >= reply["position"]


def test_events_and_replay_read_a_data_dir_at_rest(rested: Rested) -> None:
    program, reply = rested

    events = program.cli("events", "--type", "agent.replied", "--jsonl")
    replayed = program.cli("replay", reply["conversation_id"], "--json")

    assert json.loads(events.stdout.splitlines()[-1])["data"]["text"] == reply["text"]
    assert json.loads(replayed.stdout)["messages"][-1]["text"] == reply["text"]


def test_a_run_is_explained_at_rest(rested: Rested) -> None:
    program, reply = rested

    tree = json.loads(program.cli("explain", reply["run_id"], "--json").stdout)

    [root] = tree["roots"]
    [run] = root["led_to"]
    kinds = [step["event"]["type"] for step in run["led_to"]]
    assert root["event"]["id"] == reply["event_id"]
    assert kinds == ["run.context_retrieved", "model.requested", "agent.replied"]
    assert run["led_to"][0]["passages"][0]["text"]


def test_the_log_is_exported_at_rest_and_proved_without_it(rested: Rested, tmp_path: Path) -> None:
    program, _ = rested

    exported = program.cli("audit", "export", str(tmp_path / "out"), "--json")
    verified = program.cli("audit", "verify", "--export", str(tmp_path / "out"), "--json")

    assert exported.returncode == 0, exported.stderr
    manifest = json.loads(exported.stdout)
    [finding] = json.loads(verified.stdout)["findings"]
    assert finding["fault"] is None
    assert finding["checked"] == manifest["events"] == manifest["last"] > 10


def test_read_models_are_rebuilt_and_proved_at_rest(rested: Rested) -> None:
    program, _ = rested

    rebuilt = program.cli("projections", "rebuild", "runs")
    proved = program.cli("projections", "verify", "runs", "--json")
    status = program.cli("projections", "status", "--json")

    assert rebuilt.returncode == 0, rebuilt.stderr
    assert proved.returncode == 0, proved.stderr
    verdict = json.loads(proved.stdout)
    assert verdict["differing_rows"] == 0
    assert verdict["found"]["rows"] > 0
    (view,) = [row["view"] for row in json.loads(status.stdout) if row["name"] == "runs"]
    assert verdict["view"] == view == f"runs_v{runs.version}_g2"


def test_the_doctor_finds_a_data_dir_at_rest_well(rested: Rested) -> None:
    program, _ = rested

    found = program.cli("doctor")

    assert found.returncode == 0, found.stdout
    assert "nothing is running" in found.stdout


def test_talking_needs_a_running_system(rested: Rested) -> None:
    program, _ = rested

    refused = program.cli("ask", "hello")

    assert refused.returncode == 1
    assert "aigestion up --data-dir" in refused.stderr


def test_the_quarantine_is_looked_at_and_redriven_at_rest(rested: Rested) -> None:
    program, _ = rested

    looked = program.cli("projections", "parked", "conversations", "--json")
    redriven = program.cli("projections", "redrive", "conversations")
    nobody = program.cli("projections", "redrive", "conversations", "demo/conversation:nobody")

    assert (looked.returncode, json.loads(looked.stdout)) == (0, [])
    assert redriven.returncode == 0, redriven.stderr
    assert "0 parked events applied" in redriven.stdout
    assert nobody.returncode == 1
    assert "Nothing of demo/conversation:nobody is parked" in nobody.stderr
