"""A program for the command line to talk to, running or at rest."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.program import Program


class Installation:
    """One data dir for all tests here: the program runs on it or not, as a test needs it."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.reply: dict[str, Any] = {}

    def run(self) -> Program:
        if not self.program.running:
            self.program.start()
            self.reply = self.reply or asked(self.program, "what is a sealed field?")
        return self.program

    def rest(self) -> Program:
        self.run()
        self.program.stop()
        return self.program


@pytest.fixture(scope="package")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with Program(tmp_path_factory.mktemp("cli") / "data") as program:
        yield Installation(program)


@pytest.fixture(scope="module")
def program(installation: Installation) -> Iterator[Program]:
    """A running program."""
    yield installation.run()
    if installation.program.running:
        installation.program.stop()


@pytest.fixture(scope="module")
def rested(installation: Installation) -> tuple[Program, dict[str, Any]]:
    """A data dir at rest, and the reply to a question that was asked before."""
    return installation.rest(), installation.reply


def asked(program: Program, text: str) -> dict[str, Any]:
    """Ask, and return the reply as `ask --json` prints it."""
    answer = program.cli("ask", text, "--json")
    assert answer.returncode == 0, answer.stderr
    reply: dict[str, Any] = json.loads(answer.stdout)
    return reply
