"""Disks of their own for tests: small, full, read-only. Needs root and the right to mount."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def disk(folder: Path, mebibytes: int) -> Iterator[None]:
    """A small disk in memory, mounted on the folder inside the block."""
    _mount("-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", str(folder))
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def make_read_only(folder: Path) -> None:
    _mount("-o", "remount,ro", str(folder))


def fill(filler: Path, mebibytes_left: int) -> None:
    """Take all the room of its disk but the last; remove the file to give it back."""
    found = os.statvfs(filler.parent)
    with filler.open("wb") as file:
        taken = found.f_bavail * found.f_bsize - (mebibytes_left << 20)
        os.posix_fallocate(file.fileno(), 0, taken)


def _mount(*arguments: str) -> None:
    if subprocess.run(["mount", *arguments], check=False).returncode != 0:
        pytest.skip("NOT TESTED: this user may not mount, so there are no bad disks to test with")
