"""The data dir: one owner at a time, private files, and one clear sentence when it cannot be used."""

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from aigestion.embedded.pid_file import lock, recorded_pid
from aigestion.kernel.errors import Misconfigured
from aigestion.private_file import read_private, write_private

LAYOUT_VERSION = 1
"""The layout this program writes. A newer one is refused; an older one is for this module to migrate."""
FREE_BYTES_MIN = 200 * 1024 * 1024
PROBE_BYTES = 64 * 1024
SECRET_BYTES = 32
FOLDER_MODE = 0o700
SEARCH_ENGINES = ("postgres", "elasticsearch")
SEARCH_FILE = "search"
DOCUMENTS_FILE = "demo.documents"

_BEFORE_VERSION = ("VERSION.", "lost+found")
"""What may lie in a folder that becomes a data dir: a draft of VERSION, and what a volume brings."""


class DataDir:
    """Where `aigestion up` keeps its state. Paths are always there; `locked` makes us its owner."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.postgres = self.path / "postgres"
        self.nats = self.path / "nats"
        self.clickhouse = self.path / "clickhouse"
        self.qdrant = self.path / "qdrant"
        self.elasticsearch = self.path / "elasticsearch"
        self.logs = self.path / "logs"
        self.run = self.path / "run"
        """Pid files and remembered ports of the engines."""
        self.master_key = self.path / "master.key"
        self.checkpoint_key = self.path / "checkpoint.key"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Own the data dir inside the block; make it if there is none.

        Raises `Misconfigured` if another process owns it, a newer program wrote it, it is not a data
        dir, cannot be written, or its disk is full. Nothing is changed then.
        """
        with _one_sentence(self.path):
            self._check_version()
            self._make()
            descriptor = self._lock()
        try:
            with _one_sentence(self.path):
                self._check_disk()
                for folder in (self.logs, self.run, self.clickhouse, self.qdrant):
                    folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
            yield
        finally:
            os.close(descriptor)

    def write_private(self, name: str, text: str) -> None:
        """Write a file that only its owner may read: there whole or not at all, and on disk."""
        with _one_sentence(self.path):
            write_private(self.path / name, text.encode())

    def read_private(self, name: str) -> str | None:
        """The text of a private file; None if there is none. `Misconfigured` if others may read it."""
        with _one_sentence(self.path):
            content = read_private(self.path / name)
        return None if content is None else content.decode()

    @property
    def search(self) -> str:
        """The engine that searches: `postgres`, or what `up --search` said last."""
        return self.read_private(SEARCH_FILE) or SEARCH_ENGINES[0]

    @search.setter
    def search(self, engine: str) -> None:
        self.write_private(SEARCH_FILE, engine)

    @property
    def documents(self) -> Path | None:
        """The folder whose texts the demo has, if `up --documents` ever named one."""
        folder = self.read_private(DOCUMENTS_FILE)
        return None if folder is None else Path(folder)

    @documents.setter
    def documents(self, folder: Path) -> None:
        self.write_private(DOCUMENTS_FILE, str(folder.absolute()))

    def secret(self, name: str) -> str:
        """A password of this data dir, made when it is first asked for; safe in URLs."""
        made = secrets.token_urlsafe(SECRET_BYTES)
        return self._made_once(name, made.encode()).decode()

    def secret_bytes(self, name: str, n: int) -> bytes:
        """`n` random bytes that stay the same. `Misconfigured` if they are no longer `n`."""
        kept = self._made_once(name, secrets.token_bytes(n))
        if len(kept) != n:
            raise Misconfigured(
                f"{self._secret(name)} is not {n} bytes long: it is damaged. Put the right one back."
            )
        return kept

    def _made_once(self, name: str, fresh: bytes) -> bytes:
        path = self._secret(name)
        with _one_sentence(self.path):
            kept = read_private(path)
            if kept is None:
                path.parent.mkdir(mode=FOLDER_MODE, exist_ok=True)
                write_private(path, fresh)
                return fresh
        if not kept:
            raise Misconfigured(
                f"The secret {path} is empty: it is damaged. Put the right one back."
            )
        return kept

    def _secret(self, name: str) -> Path:
        return self.path / "secrets" / name

    def _check_version(self) -> None:
        """Before anything is touched: is this a data dir, or a place for one, and do we know it?"""
        try:
            written = (self.path / "VERSION").read_bytes().decode(errors="replace").strip()
        except FileNotFoundError:
            self._check_is_free()
            return
        if not (written.isdecimal() and int(written) <= LAYOUT_VERSION):
            raise Misconfigured(
                f"The data dir {self.path} has version {written[:20] or 'nothing'}, this program knows "
                f"{LAYOUT_VERSION}: run the newer program that wrote it."
            )

    def _check_is_free(self) -> None:
        with suppress(FileNotFoundError):
            names = [found.name for found in self.path.iterdir()]
            strange = [name for name in names if not name.startswith(_BEFORE_VERSION)]
            # Another first start may have got ahead meanwhile: then VERSION is there now.
            if strange and not (self.path / "VERSION").exists():
                raise Misconfigured(
                    f"{self.path} is not empty and no data dir of this program (it holds "
                    f"{min(strange)}): choose another with --data-dir."
                )

    def _make(self) -> None:
        if (self.path / "VERSION").exists():
            return
        self.path.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        self._check_disk()
        with suppress(
            PermissionError
        ):  # a volume somebody else owns; what is in it is private anyway
            self.path.chmod(FOLDER_MODE)
        write_private(self.path / "VERSION", f"{LAYOUT_VERSION}\n".encode())

    def _lock(self) -> int:
        path = self.path / "lock"
        descriptor = lock(path)
        if descriptor is None:
            owner = recorded_pid(path)
            raise Misconfigured(
                f"The data dir {self.path} is in use by process {owner or 'unknown'}: "
                "stop that one, or choose another with --data-dir."
            )
        return descriptor

    def _check_disk(self) -> None:
        """Whether it takes a write: permissions, mounts and quotas say so only when tried."""
        free = shutil.disk_usage(self.path).free
        if free < FREE_BYTES_MIN:
            raise Misconfigured(
                f"The disk of the data dir {self.path} has {free >> 20} MiB left and "
                f"{FREE_BYTES_MIN >> 20} MiB are needed: make room, or choose another with --data-dir."
            )
        probe = self.path / "VERSION.probe"
        write_private(probe, bytes(PROBE_BYTES))
        probe.unlink(missing_ok=True)


@contextmanager
def _one_sentence(path: Path) -> Iterator[None]:
    """What the operating system says about the data dir, as one sentence."""
    try:
        yield
    except OSError as error:
        what = "is on a full disk" if error.errno in _FULL else "cannot be used"
        raise Misconfigured(
            f"The data dir {path} {what} ({error.strerror}): choose another with --data-dir."
        ) from error


_FULL = (errno.ENOSPC, errno.EDQUOT)
