"""Pulled plugs: what was acknowledged stays, what was under way ends once."""

import json
import os
import signal
import time

from tests.support.program import Program
from tests.support.tasks import soon


def test_killed_engines_come_back_and_nothing_is_lost(own_program: Program) -> None:
    program = own_program
    program.start()
    _, started = program.http("POST", "/v1/conversations", {})
    conversation = started["conversation_id"]
    path = f"/v1/conversations/{conversation}/interactions"
    body = {"type": "user.action", "payload": {"name": "click", "properties": {"n": 1}}}
    acknowledged = 0

    for pid in program.engine_pids():
        os.kill(pid, signal.SIGKILL)
        soon(lambda: program.http("POST", path, body)[0] == 202)
        acknowledged += 1

    soon(lambda: len(program.engine_pids()) >= 2)  # a session may outlive its server by one answer
    soon(lambda: program.cli("audit", "verify").returncode == 0)
    _, feed = program.http("GET", "/v1/events?type=user.action&limit=200")
    assert len(feed["items"]) >= acknowledged
    program.stop()


def test_everything_killed_in_the_middle_of_an_answer(own_program: Program) -> None:
    program = own_program
    program.start()
    _, started = program.http("POST", "/v1/conversations", {})
    conversation = started["conversation_id"]
    status, _ = program.http(
        "POST",
        f"/v1/conversations/{conversation}/interactions",
        {"type": "user.chat", "payload": {"text": "What is a sealed field?"}},
    )
    assert status == 202

    program.pull_the_plug()
    program.start()

    def ends() -> list[str]:
        _, feed = program.http("GET", f"/v1/events?tag=conversation:{conversation}&limit=200")
        return [e["type"] for e in feed["items"] if e["type"] in ("agent.replied", "run.failed")]

    soon(ends)
    time.sleep(1)  # a second end would come now
    verified = program.cli("audit", "verify")
    program.stop()
    at_rest = program.cli("replay", conversation, "--json")

    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert at_rest.returncode == 0, at_rest.stderr
    roles = [m["role"] for m in json.loads(at_rest.stdout)["messages"]]
    assert roles == ["user", "assistant"]
