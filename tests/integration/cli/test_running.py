"""The command line beside a running system, on real engines."""

import json
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.integration.cli.conftest import asked
from tests.support.program import AIGESTION, Program
from tests.support.tasks import eventually

SECONDS_MAX = 30


def faults(report: dict[str, Any]) -> dict[str, int]:
    return {one["check"]: one["fault"]["position"] for one in report["findings"] if one["fault"]}


def symptoms(program: Program) -> tuple[int, list[dict[str, Any]]]:
    ran = program.cli("doctor", "--json")
    return ran.returncode, [json.loads(line) for line in ran.stdout.splitlines()]


@asynccontextmanager
async def owner(program: Program) -> AsyncIterator["asyncpg.Connection[Any]"]:
    """The one who may do what nobody should: the database's owner."""
    secret = (program.data_dir / "secrets/postgres-owner").read_text()
    address = program.connect()["postgres_dsn"].rpartition("@")[2]
    connection = await asyncpg.connect(f"postgresql://postgres:{secret}@{address}")
    try:
        yield connection
    finally:
        await connection.close()


async def stored(program: Program, position: int) -> bytes:
    """The bytes of an event."""
    connection = await asyncpg.connect(program.connect()["postgres_dsn"])
    try:
        select = "SELECT data FROM log.events WHERE position = $1"
        return bytes(await connection.fetchval(select, position))
    finally:
        await connection.close()


def another_ciphertext(data: bytes) -> bytes:
    """One character of a sealed value changed."""
    at = data.index(b'"sealed":"') + 80
    other = b"A" if data[at : at + 1] != b"A" else b"B"
    return data[:at] + other + data[at + 1 :]


async def tamper(program: Program, statement: str, *values: Any) -> None:
    """Change the log behind its back."""
    async with owner(program) as connection, connection.transaction():
        for table in ("log.events", "log.tags"):
            await connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        assert await connection.execute(statement, *values) not in ("UPDATE 0", "DELETE 0")
        for table in ("log.events", "log.tags"):
            for trigger in ("no_change", "no_row_change"):
                await connection.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger}")


async def signed_for(program: Program, position: int) -> None:
    """Wait for the checkpoint that covers it: one comes within ten seconds."""

    def signed() -> bool:
        last = json.loads(program.cli("audit", "checkpoints", "--last", "--json").stdout)
        return bool(last) and last[0]["size"] >= position

    await eventually(signed)


@contextmanager
def running_command(program: Program, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    command = subprocess.Popen(
        [AIGESTION, *arguments, "--data-dir", program.data_dir],
        env=program.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield command
    finally:
        command.kill()
        command.communicate()


def test_ask_answers_and_the_conversation_goes_on(program: Program) -> None:
    first = asked(program, "what is a dense position?")
    second = program.cli("ask", "thank you", "--conversation", first["conversation_id"])
    replayed = program.cli("replay", first["conversation_id"], "--json")
    before = str(first["position"] - 1)
    as_it_stood = program.cli("replay", first["conversation_id"], "--at", before)

    assert "[1]" in first["text"]
    assert first["citations"]
    assert second.returncode == 0, second.stderr
    roles = [message["role"] for message in json.loads(replayed.stdout)["messages"]]
    assert roles == ["user", "assistant", "user", "assistant"]
    assert "(had not answered yet)" in as_it_stood.stdout


def test_chat_holds_a_conversation(program: Program) -> None:
    said = subprocess.run(
        [AIGESTION, "chat", "--data-dir", program.data_dir],
        env=program.environment,
        input="hello\nwhat is a view?\n/quit\n",
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )

    assert said.returncode == 0, said.stderr
    assert "[1]" in said.stdout
    assert len(said.stderr.strip().splitlines()) == 1  # which conversation it is, and no complaint


def test_the_audit_passes_and_names_what_it_looked_at(program: Program) -> None:
    verified = program.cli("audit", "verify", "--json")

    report = json.loads(verified.stdout)
    assert (verified.returncode, report["passed"]) == (0, True), report
    checks = [finding["check"] for finding in report["findings"]]
    assert checks[:3] == ["log", "checkpoints", "broker"]
    assert "view conversations" in checks
    assert all(finding["checked"] > 0 or finding["note"] for finding in report["findings"])


async def test_events_changed_by_the_owner_are_found(program: Program) -> None:
    change = "UPDATE log.events SET data = $2 WHERE position = $1"
    plain = asked(program, "what is a projection?")["position"]
    sealed = asked(program, "what is a view?")["position"]
    await signed_for(program, sealed)
    original = {position: await stored(program, position) for position in (plain, sealed)}
    impostor = original[plain].replace(b'"assistant"', b'"impostor!"')
    await tamper(program, change, plain, impostor)
    await tamper(program, change, sealed, another_ciphertext(original[sealed]))

    verified = program.cli("audit", "verify", "--json")
    for position, data in original.items():
        await tamper(program, change, position, data)

    assert verified.returncode == 1
    assert faults(json.loads(verified.stdout)) == {
        "log": sealed,
        "checkpoints": plain,
        "broker": plain,
    }
    assert verified.stderr == f"first bad position: {plain}\n"
    assert json.loads(program.cli("audit", "verify", "--json").stdout)["passed"]


async def test_an_event_is_proved_by_what_the_running_system_signed(
    program: Program, tmp_path: Path
) -> None:
    reply = asked(program, "what is a proof?")
    await signed_for(program, reply["position"])
    kept, proof = tmp_path / "kept", tmp_path / "proof.json"
    told = program.http("GET", "/v1/checkpoint")[1]["note"]
    kept.write_text(program.cli("audit", "checkpoints").stdout + told)
    key = program.cli("audit", "key").stdout.strip()
    first = program.cli("events", "--all-tenants", "--limit", "1", "--jsonl")
    event_id = json.loads(first.stdout)["id"]

    proved = program.cli("audit", "prove", event_id, "--checkpoint", str(kept))
    proof.write_text(proved.stdout)
    offline = ["audit", "verify", "--proof", str(proof), "--public-key", key]
    checked = program.cli(*offline, "--checkpoint", str(kept))
    verified = program.cli("audit", "verify", "--checkpoint", str(kept), "--json")

    assert proved.returncode == 0, proved.stderr
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert checked.stdout.startswith("ok    proof ")
    assert json.loads(verified.stdout)["passed"], verified.stdout
    assert (program.data_dir / "checkpoint.key").stat().st_mode & 0o077 == 0


async def test_a_row_of_a_view_that_was_changed_is_found_and_mended(program: Program) -> None:
    reply = asked(program, "what is a checkpoint?")
    status = json.loads(program.cli("projections", "status", "--json").stdout)
    (view,) = [row["view"] for row in status if row["name"] == "conversations"]
    connection = await asyncpg.connect(program.connect()["postgres_dsn"])
    changed = await connection.execute(
        f'UPDATE "{view}".messages SET text = $1 WHERE run_id::text = $2',
        "something else",
        reply["run_id"],
    )
    await connection.close()
    assert changed == "UPDATE 1"

    verified = program.cli("audit", "verify", "--json")
    one = program.cli("projections", "verify", "conversations")
    rebuilt = program.cli("projections", "rebuild", "conversations")
    mended = program.cli("projections", "verify", "conversations")

    assert verified.returncode == 1
    assert faults(json.loads(verified.stdout)) == {"view conversations": reply["position"]}
    assert one.returncode == 1
    assert f"of position {reply['position']}" in one.stdout
    assert rebuilt.returncode == 0, rebuilt.stderr
    assert "serves at position" in rebuilt.stdout
    assert mended.returncode == 0, mended.stdout


def test_an_unknown_projection_is_one_line(program: Program) -> None:
    refused = program.cli("projections", "rebuild", "dreams")

    assert refused.returncode == 1
    assert len(refused.stderr.strip().splitlines()) == 1


def test_the_doctor_finds_a_running_system_well(program: Program) -> None:
    code, found = symptoms(program)

    assert code == 0, [one for one in found if one["state"] == "fail"]
    parts = {one["part"] for one in found if one["state"] == "ok"}
    assert {"postgres", "nats", "clickhouse", "qdrant", "log", "relay", "subscriber"} <= parts
    assert {"api key", "process", "secrets", "view conversations"} <= parts


async def test_the_doctor_finds_a_tag_that_no_query_would_find(program: Program) -> None:
    position = asked(program, "what is a tag?")["position"]
    await tamper(program, "DELETE FROM log.tags WHERE position = $1", position)

    code, found = symptoms(program)
    await tamper(
        program,
        "INSERT INTO log.tags (tag_hash, position) "
        "SELECT log.tag_hash(tag), position FROM log.events, unnest(tags) AS tag WHERE position = $1",
        position,
    )

    failed = [one for one in found if one["state"] == "fail"]
    assert code == 1
    assert [one["part"] for one in failed] == ["log"]
    assert f"position {position}" in failed[0]["found"]
    assert symptoms(program)[0] == 0


def test_events_follow_what_comes_until_ctrl_c(program: Program) -> None:
    with running_command(program, "events", "--follow", "--type", "user.*", "--jsonl") as following:
        assert following.stdout is not None
        time.sleep(2)  # it begins a few events back; what is asked now must come too
        reply = asked(program, "is anybody there?")
        lines = iter(following.stdout.readline, "")
        heard = next(one for one in lines if reply["event_id"] in one)
        following.send_signal(signal.SIGINT)
        _, errors = following.communicate(timeout=SECONDS_MAX)

    assert json.loads(heard)["data"]["text"] == "is anybody there?"
    assert (following.returncode, errors) == (130, "")


def test_over_http_a_key_shows_the_same(program: Program) -> None:
    reply = asked(program, "what is a tombstone?")
    doors = program.connect()
    over_http = ("--url", doors["http_url"], "--key", doors["api_key"])

    for command in (
        ["events", "--jsonl", "--type", "user.*"],
        ["explain", reply["event_id"], "--json"],
        ["explain", reply["run_id"]],
        ["replay", reply["conversation_id"], "--json"],
    ):
        directly, remotely = program.cli(*command), program.cli(*command, *over_http)
        assert remotely.returncode == 0, remotely.stderr
        assert remotely.stdout == directly.stdout != ""
    all_of_it = ("replay", "--all", "--project", "runs", "--dry-run", "--url", doors["http_url"])
    compared = program.cli(*all_of_it, "--key", doors["operator_key"])
    refused = program.cli(*all_of_it, "--key", doors["api_key"])
    assert (compared.returncode, refused.returncode) == (0, 1), compared.stderr
    assert len(refused.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("command", [["events"], ["audit", "verify"], ["doctor"]])
def test_a_reader_who_leaves_early_is_no_error(program: Program, command: list[str]) -> None:
    with running_command(program, *command) as listing:
        assert listing.stdout is not None
        listing.stdout.readline()
        listing.stdout.close()
        assert listing.stderr is not None
        errors = listing.stderr.read()
        listing.wait(SECONDS_MAX)

    assert errors == ""


def test_ctrl_c_in_a_prompt_is_quiet(program: Program) -> None:
    reading, writing = os.pipe()
    chat = subprocess.Popen(
        [AIGESTION, "chat", "--data-dir", program.data_dir],
        env=program.environment,
        stdin=reading,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert chat.stderr is not None
    greeting = chat.stderr.readline()
    chat.send_signal(signal.SIGINT)
    _, errors = chat.communicate(timeout=SECONDS_MAX)
    os.close(reading)
    os.close(writing)

    assert "/quit" in greeting
    assert (chat.returncode, errors) == (130, "")


@pytest.mark.parametrize(
    "command", [["replay", "0199aa10-0000-7000-8000-0000000000ff"], ["ask", ""]]
)
def test_what_cannot_be_done_is_one_line(program: Program, command: list[str]) -> None:
    refused = program.cli(*command)

    assert refused.returncode == 1
    assert refused.stderr.startswith("error: ")
    assert len(refused.stderr.strip().splitlines()) == 1
