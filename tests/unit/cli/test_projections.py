"""`aigestion projections` against a running system: status, rebuild, verify."""

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from aigestion.cli.app import aigestion
from tests.unit.cli.fake_api import FakeApi, fake_api

SERVING = {
    "name": "conversations",
    "view": "conversations_v1_g2",
    "position": 40,
    "lag": 2,
    "state": "live",
    "error": None,
    "error_position": None,
}
BUILDING = {**SERVING, "name": "runs", "view": None, "error": "no \x1broom", "error_position": 7}
EQUAL = {
    "view": "conversations_v1_g2",
    "position": 40,
    "expected": {"rows": 3, "digest": "aa"},
    "found": {"rows": 3, "digest": "aa"},
    "differing_rows": 0,
    "first": None,
}
DIFFERENT = {
    **EQUAL,
    "differing_rows": 2,
    "first": {
        "collection": "messages",
        "key": "m\x1b1",
        "position": 17,
        "expected": {"text": "a"},
        "found": None,
    },
}
REBUILT = {
    "view": {"projection": "conversations", "version": 1, "generation": 3},
    "position": 42,
    "fingerprint": {"rows": 3, "digest": "aa"},
}
PARKED = {
    "key": "demo/conversation:harb\x1bour",
    "events": 3,
    "position": 17,
    "type": "user.chat",
    "error": "ZeroDivisionError at conversations.py:40",
    "since": "2026-11-23T12:00:00Z",
    "redrive": False,
    "tried_at": None,
}
WITH_PARKED = {**EQUAL, "parked": 3, "parked_from": 17}
REDRIVEN = {"view": "conversations_v1_g2", "position": 3, "parked": 0, "failed": []}
FAILED_AGAIN = {**REDRIVEN, "position": 1, "parked": 2, "failed": [PARKED]}
UNDER_WAY = {"position": 20, "head": 42}


def done(result: dict[str, Any]) -> list[dict[str, Any]]:
    return [UNDER_WAY, {"position": 42, "head": 42, "done": True, "result": result}]


def call(data_dir: Path, *arguments: str, **answers: Any) -> tuple[Result, FakeApi]:
    def prepare(api: FakeApi) -> None:
        api.routes["GET", "/v1/projections"] = (200, {"items": [SERVING, BUILDING]})
        kept = {"items": answers.pop("parked", [])}
        api.routes["GET", "/v1/projections/conversations/parked"] = (200, kept)
        for name, content in answers.items():
            status = content["status"] if isinstance(content, dict) else 200
            api.routes["POST", f"/v1/projections/conversations/{name}"] = (status, content)

    with fake_api(data_dir, prepare) as api:
        arguments = ("projections", *arguments, "--data-dir", str(data_dir))
        return CliRunner().invoke(aigestion, arguments), api


def test_status_is_a_table_and_names_trouble(tmp_path: Path) -> None:
    result, api = call(tmp_path, "status")

    head, serving, building = result.stdout.splitlines()
    assert head.split() == ["NAME", "VIEW", "STATE", "POSITION", "LAG", "PARKED"]
    assert serving.split() == ["conversations", "conversations_v1_g2", "live", "40", "2", "0"]
    assert building.endswith("no \\x1broom (at 7)")
    assert api.asked[0].headers["Authorization"] == "Bearer aigop_key"


def test_a_system_elsewhere_is_asked_with_its_operators_key(tmp_path: Path) -> None:
    def prepare(api: FakeApi) -> None:
        api.routes["GET", "/v1/projections"] = (200, {"items": [SERVING]})
        api.routes["POST", "/v1/projections/conversations/verify"] = (200, done(EQUAL))

    with fake_api(tmp_path, prepare) as api:
        there = ("--url", api.url, "--key", "aigop_elsewhere")
        status, verified, keyless, nowhere = (
            CliRunner().invoke(aigestion, ["projections", *arguments])
            for arguments in (
                ("status", "--json", *there),
                ("verify", "conversations", *there),
                ("status", "--url", api.url),
                ("status", "--url", "example", "--key", "k"),
            )
        )

    assert [row["name"] for row in json.loads(status.stdout)] == ["conversations"]
    assert verified.stdout.startswith("ok")
    assert {one.headers["Authorization"] for one in api.asked} == {"Bearer aigop_elsewhere"}
    assert (keyless.exit_code, nowhere.exit_code) == (1, 1)
    assert "--key" in keyless.stderr
    assert "no address" in nowhere.stderr


def test_status_as_json(tmp_path: Path) -> None:
    result, _ = call(tmp_path, "status", "--json")

    assert [row["name"] for row in json.loads(result.stdout)] == ["conversations", "runs"]


def test_status_names_what_was_parked_first(tmp_path: Path) -> None:
    more = {"parked_events": 3, "parked_keys": 1, "parked_first": PARKED}

    def prepare(api: FakeApi) -> None:
        api.routes["GET", "/v1/projections"] = (200, {"items": [{**SERVING, **more}]})

    with fake_api(tmp_path, prepare):
        result = CliRunner().invoke(
            aigestion, ["projections", "status", "--data-dir", str(tmp_path)]
        )

    _, row = result.stdout.splitlines()
    assert row.split()[:6] == ["conversations", "conversations_v1_g2", "live", "40", "2", "3"]
    assert row.endswith(
        "1 key parked; first demo/conversation:harb\\x1bour at 17: "
        "ZeroDivisionError at conversations.py:40"
    )


def test_parked_keys_are_a_table(tmp_path: Path) -> None:
    result, _ = call(tmp_path, "parked", "conversations", parked=[PARKED])

    head, row = result.stdout.splitlines()
    assert head.split() == ["KEY", "POSITION", "TYPE", "EVENTS", "SINCE", "TRIED", "ERROR"]
    assert row.split()[:4] == ["demo/conversation:harb\\x1bour", "17", "user.chat", "3"]
    assert "2026-11-23 12:00:00Z" in row
    assert row.endswith("ZeroDivisionError at conversations.py:40")


def test_parked_keys_as_json(tmp_path: Path) -> None:
    result, _ = call(tmp_path, "parked", "conversations", "--json", parked=[PARKED])

    assert [row["position"] for row in json.loads(result.stdout)] == [17]


def test_nothing_parked_is_one_line(tmp_path: Path) -> None:
    result, _ = call(tmp_path, "parked", "conversations")

    assert "nothing of conversations is parked" in result.stdout


def test_redrive_says_what_was_applied(tmp_path: Path) -> None:
    result, api = call(tmp_path, "redrive", "conversations", redrive=done(REDRIVEN))

    assert result.exit_code == 0
    assert "conversations_v1_g2: 3 parked events applied" in result.stdout
    assert api.asked[-1].path == "/v1/projections/conversations/redrive"


def test_redrive_of_a_key_that_fails_again_exits_1_and_says_why(tmp_path: Path) -> None:
    key = "demo/conversation:a b"

    result, api = call(tmp_path, "redrive", "conversations", key, redrive=done(FAILED_AGAIN))

    assert result.exit_code == 1
    assert "1 parked events applied, 2 are parked still" in result.stdout
    assert "harb\\x1bour at 17: ZeroDivisionError at conversations.py:40" in result.stdout
    assert api.asked[-1].path.endswith("/redrive?key=demo%2Fconversation%3Aa%20b")


def test_a_view_with_parked_events_is_not_proved(tmp_path: Path) -> None:
    result, _ = call(tmp_path, "verify", "conversations", verify=done(WITH_PARKED))

    assert result.exit_code == 1
    assert (
        "3 parked events from position 17 on: redrive them; all other rows are equal"
        in result.stdout
    )


def test_status_tells_of_the_view_being_built_and_of_the_way_back(tmp_path: Path) -> None:
    building = {"view": "runs_v2_g4", "stage": "filling", "position": 70, "events_per_second": 9.0}
    row = {**SERVING, "building": building, "retired": "runs_v1_g2", "newer": "runs_v3_g5"}

    def prepare(api: FakeApi) -> None:
        api.routes["GET", "/v1/projections"] = (200, {"items": [row]})

    with fake_api(tmp_path, prepare):
        arguments = ("projections", "status", "--data-dir", str(tmp_path))
        result = CliRunner().invoke(aigestion, arguments)

    assert result.stdout.splitlines()[1].endswith(
        "filling runs_v2_g4 at 70, 9/s; newer programs serve runs_v3_g5; can go back to runs_v1_g2"
    )


def test_rebuild_of_all_takes_one_after_the_other(tmp_path: Path) -> None:
    def prepare(api: FakeApi) -> None:
        api.routes["GET", "/v1/projections"] = (200, {"items": [SERVING, BUILDING]})
        for name in ("conversations", "runs"):
            api.routes["POST", f"/v1/projections/{name}/rebuild"] = (200, done(REBUILT))

    with fake_api(tmp_path, prepare) as api:
        arguments = ("projections", "rebuild", "--all", "--data-dir", str(tmp_path))
        result = CliRunner().invoke(aigestion, arguments)

    assert result.exit_code == 0
    assert [one.path.split("/")[3] for one in api.asked[1:]] == ["conversations", "runs"]


def test_one_that_is_refused_keeps_no_other_waiting(tmp_path: Path) -> None:
    refused = {
        "status": 409,
        "code": "refused",
        "detail": "conversations is being built\x1balready",
    }

    def prepare(api: FakeApi) -> None:
        api.routes["GET", "/v1/projections"] = (200, {"items": [SERVING, BUILDING]})
        api.routes["POST", "/v1/projections/conversations/rebuild"] = (409, refused)
        api.routes["POST", "/v1/projections/runs/rebuild"] = (200, done(REBUILT))

    with fake_api(tmp_path, prepare):
        arguments = ("projections", "rebuild", "--all", "--json", "--data-dir", str(tmp_path))
        result = CliRunner().invoke(aigestion, arguments)

    assert result.exit_code == 1
    assert [json.loads(line) for line in result.stdout.splitlines()] == [REBUILT]
    told = "not rebuilt conversations: conversations is being built\\x1balready\n"
    assert result.stderr == told


def test_rebuild_of_all_ends_where_nobody_answers(tmp_path: Path) -> None:
    def prepare(api: FakeApi) -> None:
        api.routes["GET", "/v1/projections"] = (200, {"items": [SERVING, BUILDING]})
        api.routes["POST", "/v1/projections/conversations/rebuild"] = (200, [UNDER_WAY])

    with fake_api(tmp_path, prepare) as api:
        arguments = ("projections", "rebuild", "--all", "--data-dir", str(tmp_path))
        result = CliRunner().invoke(aigestion, arguments)

    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert [one.path.split("/")[3] for one in api.asked[1:]] == ["conversations"]


def test_rebuild_wants_a_name_or_all(tmp_path: Path) -> None:
    result, api = call(tmp_path, "rebuild")
    both, _ = call(tmp_path / "other", "rebuild", "conversations", "--all")

    assert (result.exit_code, both.exit_code, api.asked) == (2, 2, [])


def test_rollback_names_the_view_that_serves_again(tmp_path: Path) -> None:
    left = {"projection": "conversations", "version": 1, "generation": 3}
    went_back = {"view": {**left, "generation": 2}, "position": 42, "left": left}

    result, _ = call(tmp_path, "rollback", "conversations", rollback=done(went_back))

    assert result.exit_code == 0
    assert result.stdout.endswith(
        "conversations_v1_g2: serves at position 42; conversations_v1_g3 is kept\n"
    )


def test_rebuild_names_the_view_that_serves_now(tmp_path: Path) -> None:
    result, _ = call(tmp_path, "rebuild", "conversations", rebuild=done(REBUILT))

    assert result.exit_code == 0
    assert "conversations_v1_g3: serves at position 42, 3 rows equal the fold" in result.stdout


def test_verify_says_that_a_view_equals_the_log(tmp_path: Path) -> None:
    result, _ = call(tmp_path, "verify", "conversations", verify=done(EQUAL))

    assert result.exit_code == 0
    assert "conversations_v1_g2 at position 40: 3 rows equal the fold of the log" in result.stdout


def test_verify_without_a_name_takes_every_view_that_serves(tmp_path: Path) -> None:
    result, api = call(tmp_path, "verify", "--json", verify=done(EQUAL))

    assert json.loads(result.stdout)["differing_rows"] == 0
    assert [one.path for one in api.asked if one.method == "POST"] == [
        "/v1/projections/conversations/verify"
    ]


def test_a_view_that_differs_exits_1_and_names_the_first_row(tmp_path: Path) -> None:
    result, _ = call(tmp_path, "verify", "conversations", verify=done(DIFFERENT))

    assert result.exit_code == 1
    assert "2 rows differ; first messages/m\\x1b1 (of position 17) is missing" in result.stdout


def test_work_that_fails_under_way_is_one_line(tmp_path: Path) -> None:
    problem = {"status": 500, "code": "corrupt", "detail": "It does not hold what was put in."}

    result, _ = call(tmp_path, "rebuild", "conversations", rebuild=[UNDER_WAY, problem])

    assert result.exit_code == 1
    assert result.stderr == "error: It does not hold what was put in.\n"


def test_work_that_breaks_off_is_one_line(tmp_path: Path) -> None:
    result, _ = call(tmp_path, "rebuild", "conversations", rebuild=[UNDER_WAY])

    assert result.exit_code == 1
    assert "broke off at position 20" in result.stderr


def test_a_refusal_is_one_line(tmp_path: Path) -> None:
    problem = {"status": 409, "code": "refused", "detail": "It is being rebuilt already."}

    result, _ = call(tmp_path, "rebuild", "conversations", rebuild=problem)

    assert (result.exit_code, result.stderr) == (1, "error: It is being rebuilt already.\n")
