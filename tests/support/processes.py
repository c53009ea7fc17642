"""Looking at processes and ending them, for tests of those who supervise them."""

import os
import signal
from contextlib import suppress
from pathlib import Path


def status_of(pid: int) -> dict[str, str]:
    """The fields of /proc/<pid>/status; empty if there is no such process, or only its zombie."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return {}
    fields = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return {} if fields["State"].startswith("Z") else fields


def is_alive(pid: int) -> bool:
    return bool(status_of(pid))


def family_of(pid: int) -> list[int]:
    """The process and all its descendants."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return [pid]
    return [pid, *(member for child in children for member in family_of(int(child)))]


def kill_9(pid: int | None) -> None:
    """No matter if it has just ended by itself, as the relatives of a killed process may."""
    assert pid is not None
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
