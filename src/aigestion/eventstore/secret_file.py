"""A secret in a file: 32 random bytes that only their owner may read, made at first use."""

import os
import stat
from pathlib import Path

from aigestion.kernel.errors import Misconfigured
from aigestion.private_file import sync_directory

SECRET_BYTES = 32
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def kept_secret(path: Path, what: str) -> bytes:
    """The secret, made if there is no file.

    `Misconfigured` if it cannot be made, is damaged, or can be read by others; `what` names it.
    """
    try:
        if not path.exists():
            _make(path)
        return _read(path, what)
    except OSError as error:
        raise Misconfigured(f"The {what} {path} cannot be used: {error.strerror}.") from error


def _make(path: Path) -> None:
    """Make the file with its content at once: nobody ever sees a part of a secret, or two of them.

    Synced before it has its name: a key lost to a power cut takes all it sealed with it.
    """
    draft = path.with_name(f"{path.name}.{os.urandom(8).hex()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, os.urandom(SECRET_BYTES))
        os.fsync(descriptor)
        os.link(draft, path)
        sync_directory(path.parent)
    except FileExistsError:
        pass  # another process was faster: its key is the key
    finally:
        os.close(descriptor)
        draft.unlink()


def _read(path: Path, what: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        found = os.fstat(descriptor)
        if found.st_mode & _OTHERS:
            raise Misconfigured(
                f"The {what} {path} can be read by others than its owner. "
                f"If nobody has read it: chmod 600 {path}"
            )
        secret = os.read(descriptor, SECRET_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(secret) != SECRET_BYTES:
        raise Misconfigured(f"The {what} {path} is not {SECRET_BYTES} bytes long: it is damaged.")
    return secret
