"""Files only their owner may read, there whole or not at all."""

import contextlib
import os
import stat
from pathlib import Path

from aigestion.kernel.errors import Misconfigured

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def write_private(path: Path, content: bytes, owner: tuple[int, int] | None = None) -> None:
    """Write and sync a draft with mode 0600, give it to `owner` (uid, gid), rename it to `path`.

    A name that somebody else made a link is replaced, never followed. Raises `OSError`.
    """
    draft = path.with_name(f"{path.name}.{os.urandom(8).hex()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            if owner is not None:
                os.fchown(descriptor, *owner)
            file.flush()
            os.fsync(descriptor)
        draft.rename(path)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise
    sync_directory(path.parent)


def read_private(path: Path) -> bytes | None:
    """The content; None if there is no such file. `Misconfigured` if others may read it."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        if os.fstat(descriptor).st_mode & _OTHERS:
            raise Misconfigured(
                f"{path} is a secret, and others than its owner can read it. "
                f"If nobody has: chmod 600 {path}"
            )
        return file.read()


def sync_directory(directory: Path) -> None:
    """Make renames in it last."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
