"""The manifest of an export: which events are in which file, and the SHA-256 of each."""

import hashlib
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from aigestion.kernel.errors import Corrupt, Misconfigured
from aigestion.private_file import write_private

MANIFEST = "manifest.json"

Format: TypeAlias = Literal["jsonl", "parquet"]


class ExportedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A finished file: events `first` to `last`, each position once, in order."""

    name: str
    first: int
    last: int
    events: int
    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What is exported, and how far that is."""

    format: Format
    first: int
    last: int
    """The position the export ends with, also while it is not complete."""
    complete: bool = False
    events: int = 0
    """In the files that are finished."""
    files: tuple[ExportedFile, ...] = ()

    @property
    def reached(self) -> int:
        """The last position in a finished file."""
        return self.files[-1].last if self.files else self.first - 1

    def with_file(self, file: ExportedFile) -> "Manifest":
        return msgspec.structs.replace(
            self,
            events=self.events + file.events,
            complete=file.last == self.last,
            files=(*self.files, file),
        )


def read_manifest(directory: Path) -> Manifest | None:
    """The manifest of a folder; None if it has none. `Corrupt` for one that is not as it was written."""
    try:
        written = (directory / MANIFEST).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Misconfigured(f"{directory / MANIFEST} cannot be read: {error.strerror}.") from error
    try:
        manifest = msgspec.json.decode(written, type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Corrupt(f"{directory / MANIFEST} is no manifest: {error}") from error
    if odd := [file.name for file in manifest.files if Path(file.name).name != file.name]:
        raise Corrupt(f"{directory / MANIFEST} names a file elsewhere: {odd[0]}")
    return manifest


def write_manifest(directory: Path, manifest: Manifest) -> None:
    """Replace it in one step: a reader finds the former or this one, whole."""
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
    write_private(directory / MANIFEST, text + b"\n")


def sha256_of(path: Path) -> str:
    """The lower-case hex SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
