"""What a run leaves behind: nothing, however it ends, but what is kept."""

import asyncio
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from aigestion.prove.history import History


@contextmanager
def temporary_folder(keep: bool) -> Iterator[Path]:
    """A temporary folder, gone in the end unless it is kept."""
    folder = Path(tempfile.mkdtemp(prefix="aigestion-prove-"))
    try:
        yield folder
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """SIGTERM cancels the run, so that it cleans up; Ctrl-C does so anyway."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    loop.add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


def kept_history(history: History, seed: int) -> Path:
    """A copy of the history in the current folder, under a name that is free."""
    for n in range(1000):
        path = Path(f"aigestion-prove-{seed}{f'-{n}' if n else ''}.jsonl")
        with suppress(FileExistsError), path.open("xb") as copy:
            copy.write(history.path.read_bytes())
            break
    return path.absolute()
