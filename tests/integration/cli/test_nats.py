"""`aigestion nats`: credentials on a running system, at rest, and for a broker that is not ours."""

import asyncio
import json
import subprocess
from typing import Any

import nats.errors
import pytest

from aigestion.embedded.datadir import DataDir
from tests.support.nkey_client import GrantedUser
from tests.support.program import AIGESTION, Program
from tests.support.tasks import patience


def grant(program: Program, *arguments: str) -> dict[str, Any]:
    made = program.cli("nats", "grant", "demo", *arguments)
    assert made.returncode == 0, made.stderr
    credential: dict[str, Any] = json.loads(made.stdout)
    assert f"granted {credential['consumer']}" in made.stderr
    return credential


def gets_in(credential: dict[str, Any]) -> bool:
    async def try_it() -> bool:
        user = GrantedUser(credential)
        try:
            await user.connect(allow_reconnect=False, max_reconnect_attempts=0)
        except (nats.errors.Error, ConnectionError):  # refused, or thrown out as it was let in
            return False
        await user.client.close()
        return True

    return asyncio.run(try_it())


def listed(program: Program) -> dict[str, Any]:
    shown = program.cli("nats", "list", "--json")
    assert shown.returncode == 0, shown.stderr
    return {one["name"]: one for one in json.loads(shown.stdout)}


def test_a_grant_is_in_force_when_it_is_printed_until_it_is_revoked(program: Program) -> None:
    credential = grant(program, "--types", "user.*", "--expires", "30d")
    name = credential["consumer"]

    assert gets_in(credential)
    assert credential["subject"] == "events.demo.user.*"
    assert listed(program)[name]["tenant"] == "demo"
    assert credential["seed"] not in program.cli("nats", "list").stdout + json.dumps(
        listed(program)
    )
    assert name in program.cli("nats", "list").stdout

    assert program.cli("nats", "revoke", name).stdout == f"revoked {name}\n"
    assert not gets_in(credential)
    assert name not in listed(program)


def test_the_running_system_lets_a_grant_expire(program: Program) -> None:
    credential = grant(program, "--types", "*", "--expires", "1s")

    async def gone() -> None:
        async with patience():
            while await asyncio.to_thread(gets_in, credential):
                await asyncio.sleep(0.1)

    asyncio.run(gone())
    assert "expired" in program.cli("nats", "list").stdout


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("grant", "nobody", "--types", "user.*"), 1, "There is no tenant nobody. Make it:"),
        (("grant", "demo", "--types", "usr.*"), 1, "'usr.*' is no type of event; say one of"),
        (("grant", "demo", "--types", "events.>"), 1, "is no type of event"),
        (("grant", "demo", "--types", "user.*", "--expires", "soon"), 2, "is no span of time"),
        (("grant", "demo"), 2, "Missing option '--types'"),
        (("revoke", "demo-00000000"), 1, "There is no grant demo-00000000"),
    ],
)
def test_a_wrong_call_is_told_what_is_wrong(
    program: Program, arguments: tuple[str, ...], code: int, says: str
) -> None:
    called = program.cli("nats", *arguments)

    assert (called.returncode, called.stdout) == (code, "")
    assert says in called.stderr


def test_a_broker_that_is_not_ours_gets_a_block_to_paste(program: Program) -> None:
    doors, data_dir = program.connect(), DataDir(program.data_dir)
    where = doors["nats_url"].removeprefix("nats://")
    environment = {
        **program.environment,
        "AIGESTION_POSTGRES_URL": doors["postgres_dsn"],
        "AIGESTION_NATS_URL": f"nats://app:{data_dir.secret('nats-app')}@{where}",
        "AIGESTION_LOG__MASTER_KEY_FILE": str(data_dir.master_key),
    }

    def called(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [AIGESTION, "nats", *arguments], env=environment, capture_output=True, text=True
        )

    made = called("grant", "demo", "--types", "user.*", "--json")
    assert made.returncode == 0, made.stderr
    credential = json.loads(made.stdout)
    block = next(line for line in made.stderr.splitlines() if line.startswith("{"))
    assert json.loads(block)["nkey"].startswith("U")
    assert credential["seed"] not in block
    assert credential["url"] == doors["nats_url"]
    assert "knows no expiry" in called("grant", "demo", "--types", "*", "--expires", "1d").stderr
    for arguments in (("list",), ("revoke", "demo-00000000")):
        refused = called(*arguments)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "its own configuration" in refused.stderr


def test_at_rest_a_grant_is_kept_for_the_next_start(program: Program) -> None:
    before = program.connect()["nats_url"]
    program.stop()
    credential = grant(program, "--types", "user.chat")

    assert credential["url"] == before
    assert listed(program)[credential["consumer"]]["types"] == "user.chat"
    revoked = program.cli("nats", "revoke", credential["consumer"], "--json")
    assert json.loads(revoked.stdout) == {"revoked": credential["consumer"]}
    assert credential["consumer"] not in listed(program)
