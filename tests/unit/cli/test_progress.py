"""Progress: a bar for a person who waits, nothing for a pipe."""

import io
import sys

import pytest

from aigestion.cli import progress as module
from aigestion.cli.progress import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, patience_seconds: float) -> str:
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(module, "PATIENCE_SECONDS", patience_seconds)
    with progress("verifying [bold]log[/]", 10) as advance:
        advance(3)
        advance(5, 20)
    return stream.getvalue()


def test_a_person_who_waits_sees_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")

    bar = shown(monkeypatch, Terminal(), patience_seconds=-1)

    assert "verifying [bold]log[/]" in bar
    assert "5/20" in bar


def test_what_takes_less_than_a_second_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(monkeypatch, Terminal(), patience_seconds=60) == ""


def test_a_pipe_gets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(monkeypatch, io.StringIO(), patience_seconds=-1) == ""
