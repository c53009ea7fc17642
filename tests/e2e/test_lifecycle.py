"""Starting, stopping, and pulling the plug."""

import json
import os
import signal
import socket
import stat
import time
from pathlib import Path

from tests.support.program import Program

START_AGAIN_SECONDS_MAX = 5
STOP_SECONDS_MAX = 5


def test_it_stops_cleanly_and_starts_again_quickly(tmp_path: Path) -> None:
    program = Program(tmp_path / "data")
    program.start()
    key = (tmp_path / "data/demo.key").read_text()
    asked = program.cli("ask", "what is a projection?")

    code, seconds = program.stop()
    again = program.start()
    status, page = program.http("GET", "/v1/conversations")
    program.stop()

    assert asked.returncode == 0, asked.stderr
    assert (code, seconds < STOP_SECONDS_MAX) == (0, True)
    assert again < START_AGAIN_SECONDS_MAX
    assert (status, len(page["items"])) == (200, 1)
    assert (tmp_path / "data/demo.key").read_text() == key
    for name in ("demo.key", "connect.json", "master.key"):
        path = tmp_path / "data" / name
        assert not path.exists() or stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_second_up_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    program = Program(tmp_path / "data")
    program.start()

    second = program.cli("up")

    assert second.returncode == 1
    assert len(second.stderr.strip().splitlines()) == 1
    assert program.http("GET", "/v1/conversations")[0] == 200
    program.stop()


def test_a_busy_port_is_one_clear_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])

        refused = Program(tmp_path / "data").cli("up", "--port", port)

    assert refused.returncode == 1
    assert port in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1


def test_killed_engines_come_back_and_nothing_is_lost(tmp_path: Path) -> None:
    program = Program(tmp_path / "data")
    program.start()
    _, started = program.http("POST", "/v1/conversations", {})
    conversation = started["conversation_id"]
    path = f"/v1/conversations/{conversation}/interactions"
    body = {"type": "user.action", "payload": {"name": "click", "properties": {"n": 1}}}
    acknowledged = 0

    for pid in program.engine_pids():
        os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 20
        while True:
            status, _ = program.http("POST", path, body)
            if status == 202:
                acknowledged += 1
                break
            assert time.monotonic() < deadline, program.output()
            time.sleep(0.1)

    assert len(program.engine_pids()) >= 2
    deadline = time.monotonic() + 20
    while (verified := program.cli("audit", "verify")).returncode != 0:
        assert time.monotonic() < deadline, verified.stdout + verified.stderr
        time.sleep(0.5)
    _, feed = program.http("GET", "/v1/events?type=user.action&limit=200")
    assert len(feed["items"]) >= acknowledged
    program.stop()


def test_everything_killed_in_the_middle_of_an_answer(tmp_path: Path) -> None:
    program = Program(tmp_path / "data")
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

    deadline = time.monotonic() + 30
    while not ends():
        assert time.monotonic() < deadline, program.output()
        time.sleep(0.1)
    time.sleep(1)  # a second end would come now
    verified = program.cli("audit", "verify")
    program.stop()
    at_rest = program.cli("replay", conversation, "--json")

    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert at_rest.returncode == 0, at_rest.stderr
    roles = [m["role"] for m in json.loads(at_rest.stdout)["messages"]]
    assert roles == ["user", "assistant"]
