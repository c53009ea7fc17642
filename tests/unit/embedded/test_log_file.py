"""An engine's log: bounded while the engine writes on, and read for its last words."""

import os
import stat
from pathlib import Path

import pytest

from aigestion.embedded import log_file


def test_a_log_that_is_too_long_is_moved_aside_under_the_writers_hands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_file, "LOG_BYTES_MAX", 10)
    path = tmp_path / "engine.log"
    writer = log_file.open_log(path)

    os.write(writer, b"0123456789")
    log_file.bound(path)
    assert path.read_bytes() == b"0123456789"
    os.write(writer, b"+")
    log_file.bound(path)
    os.write(writer, b"after")
    os.close(writer)

    assert path.read_bytes() == b"after"
    assert (tmp_path / "engine.log.1").read_bytes() == b"0123456789+"
    assert {stat.S_IMODE(p.stat().st_mode) for p in tmp_path.iterdir()} == {0o600}


def test_bounding_a_log_that_is_not_there_is_no_fault(tmp_path: Path) -> None:
    log_file.bound(tmp_path / "engine.log")

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"", "it said nothing"),
        (b"\n \n", "it said nothing"),
        (b"LOG: starting\nLOG: stopped\n", "LOG: stopped"),
        (b"FATAL: no room\nLOG: database system is shut down\n", "FATAL: no room"),
        (b"PANIC: no room\nFATAL: the database system is in recovery mode\n", "PANIC: no room"),
        (b"ERROR: No space left on device\nLOG: bye\n", "ERROR: No space left on device"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"x" * 5000, "x" * 300),
    ],
)
def test_the_last_words_are_the_gravest(tmp_path: Path, said: bytes, words: str) -> None:
    (tmp_path / "engine.log").write_bytes(b"FATAL: long ago\n" + said)

    assert log_file.last_words(tmp_path / "engine.log", len(b"FATAL: long ago\n")) == words


def test_a_log_that_was_never_written_says_nothing(tmp_path: Path) -> None:
    assert log_file.last_words(tmp_path / "engine.log") == "it said nothing"
