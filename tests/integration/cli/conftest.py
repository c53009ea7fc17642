"""Programs for the command line to talk to: one that runs, and one that has run and is at rest."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.program import Program


@pytest.fixture(scope="package")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    with Program(tmp_path_factory.mktemp("running") / "data") as running:
        running.start()
        yield running
        running.stop()


@pytest.fixture(scope="package")
def rested(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Program, dict[str, Any]]]:
    """A data dir at rest, and the reply to the question that was asked before."""
    with Program(tmp_path_factory.mktemp("rested") / "data") as program:
        program.start()
        reply = asked(program, "what is a sealed field?")
        program.stop()
        yield program, reply


def asked(program: Program, text: str) -> dict[str, Any]:
    """Ask, and return the reply as `ask --json` prints it."""
    import json

    answer = program.cli("ask", text, "--json")
    assert answer.returncode == 0, answer.stderr
    reply: dict[str, Any] = json.loads(answer.stdout)
    return reply
