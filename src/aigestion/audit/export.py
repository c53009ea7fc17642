"""The log in files: bounded ones, each with its hash in a manifest; broken off, it goes on where it was."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import BinaryIO

import msgspec

from aigestion.audit.finding import PAGE_EVENTS_MAX, Progress
from aigestion.audit.manifest import (
    ExportedFile,
    Manifest,
    read_manifest,
    sha256_of,
    write_manifest,
)
from aigestion.audit.parquet import need_chdb, write_parquet
from aigestion.eventstore.reader import LogReader
from aigestion.kernel.errors import Corrupt, Misconfigured
from aigestion.private_file import sync_directory

FILE_EVENTS_MAX = 100_000
FILE_BYTES_MAX = 64 * 1024 * 1024
"""Of JSON, give or take one event: a file ends with the event that reaches it."""
_PART = "unfinished.jsonl"
_PART_PARQUET = "unfinished.parquet"


async def export(
    log: LogReader, directory: Path, wanted: Manifest, *, progress: Progress
) -> Manifest:
    """Write events `wanted.first` to `wanted.last` into the folder; returns the complete manifest.

    Finished files are checked and kept. Raises `Misconfigured` for a folder that holds anything else,
    `Corrupt` for a finished file that was changed and for a position the log does not have.
    """
    if wanted.format == "parquet":
        need_chdb()
    manifest = _begun(directory, wanted)
    with _alone(directory):
        _check_kept(directory, manifest)
        return await _written(log, directory, manifest, progress)


async def _written(
    log: LogReader, directory: Path, manifest: Manifest, progress: Progress
) -> Manifest:
    part = _Part(directory, manifest.reached + 1)
    pages = log.pages(manifest.reached, PAGE_EVENTS_MAX, upto=manifest.last)
    try:
        async with aclosing(pages):
            async for page in pages:
                for event in page.events:
                    part.add(msgspec.json.encode(event))
                    if part.is_full or event.position == manifest.last:
                        manifest = await _finished(part, manifest)
                        part = _Part(directory, manifest.reached + 1)
                progress(page.last)
    finally:
        part.close()
    return manifest


class _Part:
    """The file that is being written."""

    def __init__(self, directory: Path, first: int) -> None:
        self.path = directory / _PART
        self.first = first
        self.events = 0
        self._bytes = 0
        self._file: BinaryIO | None = None

    @property
    def is_full(self) -> bool:
        return self.events >= FILE_EVENTS_MAX or self._bytes >= FILE_BYTES_MAX

    def add(self, event: bytes) -> None:
        if self._file is None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            self._file = os.fdopen(os.open(self.path, flags, 0o600), "wb")
        self._file.write(event + b"\n")
        self.events += 1
        self._bytes += len(event) + 1

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


async def _finished(part: _Part, manifest: Manifest) -> Manifest:
    """Give the part its name and its line in the manifest, in this order: a kill between them costs one file."""
    part.close()
    source = part.path
    if manifest.format == "parquet":
        target = source.with_name(_PART_PARQUET)
        await write_parquet(source, target)
        source.unlink()
        source = target
    last = part.first + part.events - 1
    finished = ExportedFile(
        name=f"events-{part.first:012}-{last:012}.{manifest.format}",
        first=part.first,
        last=last,
        events=part.events,
        bytes=source.stat().st_size,
        sha256=sha256_of(source),
    )
    with source.open("rb") as written:
        os.fsync(written.fileno())
    source.replace(source.with_name(finished.name))
    sync_directory(source.parent)
    manifest = manifest.with_file(finished)
    write_manifest(source.parent, manifest)
    return manifest


def _begun(directory: Path, wanted: Manifest) -> Manifest:
    """The manifest to go on with. Only its owner may read the folder: the events in it are opened."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        standing = read_manifest(directory)
        if standing is None and any(directory.iterdir()):
            raise Misconfigured(
                f"{directory} is not empty, and holds no export: give another folder."
            )
    except OSError as error:
        raise Misconfigured(f"{directory} cannot be written: {error.strerror}.") from error
    if standing is None:
        write_manifest(directory, wanted)
        return wanted
    of = (standing.format, standing.first, standing.last)
    if of != (wanted.format, wanted.first, wanted.last):
        raise Misconfigured(
            f"{directory} holds another export: {standing.format}, positions {standing.first} to "
            f"{standing.last}. Give another folder."
        )
    return standing


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Two who write one file would spoil it. The lock is the folder's, and ends with this process."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise Misconfigured(f"Another process exports into {directory}.") from error
    finally:
        os.close(descriptor)


def _check_kept(directory: Path, manifest: Manifest) -> None:
    for file in manifest.files:
        path = directory / file.name
        if not path.is_file() or sha256_of(path) != file.sha256:
            raise Corrupt(
                f"{path} is not what was exported: delete the folder, and export anew.",
                position=file.first,
            )
