"""An engine's log: written by the engine itself, kept within bounds by us."""

import os
import shutil
from pathlib import Path

LOG_BYTES_MAX = 8 * 1024 * 1024
"""Beyond this the log becomes `<name>.log.1`, in place of the one before it."""
TAIL_BYTES_MAX = 16 * 1024
LINE_CHARS_MAX = 300
_GRAVE = (
    *("FATAL", "PANIC", "[FTL]", "nats-server:", "initdb: error", "cannot launch"),
    "No space left on device",
)
_TO_OTHERS = ("the database system is", "terminating connection")
"""What a client of a server that starts or ends is told does not tell why."""


def open_log(path: Path) -> int:
    """A descriptor to append with. The engine gets it: logging never waits for us, nor ends with us."""
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def bound(path: Path) -> None:
    """Move a log that is too long aside. What is written at this very moment may be lost."""
    try:
        if path.stat().st_size <= LOG_BYTES_MAX:
            return
    except FileNotFoundError:
        return
    kept = path.with_name(f"{path.name}.1")
    # Copied and cut, not renamed: the engine goes on writing to the file it has open.
    shutil.copyfile(path, kept)
    kept.chmod(0o600)
    os.truncate(path, 0)


def last_words(path: Path, since: int = 0) -> str:
    """What was said after byte `since` that best tells why an engine ended: one line."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(since, size - TAIL_BYTES_MAX))
            lines = file.read().decode(errors="replace").split("\n")
    except FileNotFoundError:
        lines = []
    said = [line.strip() for line in lines if line.strip()]
    grave = [
        line
        for line in said
        if any(mark in line for mark in _GRAVE) and not any(words in line for words in _TO_OTHERS)
    ]
    return (grave or said or ["it said nothing"])[-1][:LINE_CHARS_MAX]
