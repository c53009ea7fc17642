"""Engines never run as root: whom they run as, and where that user finds folders and binaries."""

import os
import pwd
import shutil
import stat
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from aigestion.kernel.errors import Misconfigured

NAME = "nobody"
"""Owns nothing, so there is nothing to take; exists everywhere, and nothing is changed in the system
for it. A bare number would do for the kernel, but initdb wants a user with a name. Other programs of
the same user do not get at the engines' files: the data dir itself stays root's, mode 0700."""
CACHE = Path("/var/cache/aigestion")
"""Where binaries are copied to if this user cannot reach them, as in a venv under /root."""
STATE = Path("/var/lib/aigestion")
"""Where an engine of another user keeps what it cannot keep in a data dir, which it may not walk to."""


class EngineUser(msgspec.Struct, frozen=True):
    """Whom an engine runs as; None means: as we do."""

    uid: int | None = None
    gid: int | None = None

    @property
    def owner(self) -> tuple[int, int] | None:
        """Uid and gid that an engine's files must have, if not ours."""
        return None if self.uid is None or self.gid is None else (self.uid, self.gid)

    def of(self, folder: Path) -> "EngineUser":
        """Who runs the engine of this folder: for root, whoever ran it before root did."""
        if self.owner is not None and folder.exists():
            found = folder.stat()
            if found.st_uid != 0:
                return EngineUser(found.st_uid, found.st_gid)
        return self

    def give(self, folder: Path) -> None:
        """Make an engine's folder, or hand over one that root owns (a backup that was put back)."""
        if folder.parent == STATE:
            STATE.mkdir(mode=0o711, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        if self.owner is None or folder.stat().st_uid != 0:
            return
        # The folder itself comes last: as long as it is root's, the work is not finished.
        for parent, folders, files in os.walk(folder, topdown=False):
            for name in (*files, *folders):
                os.chown(Path(parent) / name, *self.owner, follow_symlinks=False)
        os.chown(folder, *self.owner)

    def folder_argument(self, folder: Path) -> str:
        """How an engine that is started in this folder names it.

        As another user it may not walk there (/root is closed); its current folder needs no walk.
        """
        dropped = self.owner is not None and sys.platform == "linux"
        return "/proc/self/cwd" if dropped else str(folder)

    def reachable(self, root: Path, parts: Sequence[str], name: str) -> Path:
        """`root`, or a folder with copies of its `parts` that this user can enter."""
        if self.owner is None or all(_open_to_all(root / part) for part in parts):
            return root
        copy = CACHE / name
        try:
            if not copy.exists():
                _copy(root, parts, copy)
        except OSError as error:
            raise Misconfigured(
                f"Engines do not run as root, and the user {NAME} cannot reach {root}: install the "
                f"program where others can enter, or start it as another user than root ({error})."
            ) from error
        return copy


def engine_user() -> EngineUser:
    """As we are; or, for root, a user without rights."""
    if os.geteuid() != 0:
        return EngineUser()
    try:
        entry = pwd.getpwnam(NAME)
    except KeyError:
        raise Misconfigured(
            f"Engines do not run as root, and this system has no user {NAME}: "
            "start the program as another user than root."
        ) from None
    return EngineUser(entry.pw_uid, entry.pw_gid)


def _open_to_all(path: Path) -> bool:
    """Whether everybody may walk to it and use it. A umask of 077 closes what pip installs."""
    real = path.resolve()
    open_mode = stat.S_IROTH | stat.S_IXOTH
    return real.stat().st_mode & open_mode == open_mode and all(
        folder.stat().st_mode & stat.S_IXOTH for folder in real.parents
    )


def _copy(root: Path, parts: Sequence[str], copy: Path) -> None:
    """Copy whole or not at all, readable by everybody."""
    CACHE.mkdir(parents=True, exist_ok=True)
    CACHE.chmod(0o755)
    with tempfile.TemporaryDirectory(dir=CACHE) as draft:
        fresh = Path(draft) / "copy"
        for part in parts:
            (fresh / part).parent.mkdir(parents=True, exist_ok=True)
            if (root / part).is_dir():
                shutil.copytree(root / part, fresh / part, symlinks=True)
            else:
                shutil.copy2(root / part, fresh / part)
        for found in (fresh, *fresh.rglob("*")):
            if not found.is_symlink():
                found.chmod(0o755 if found.is_dir() or found.stat().st_mode & 0o100 else 0o644)
        with suppress(FileExistsError):  # another start was faster
            fresh.rename(copy)
