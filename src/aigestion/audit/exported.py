"""An export against its manifest, without the log: every hash, every count, no hole."""

from pathlib import Path

import msgspec

from aigestion.audit.finding import Fault, Finding, Progress
from aigestion.audit.manifest import (
    MANIFEST,
    ExportedFile,
    Manifest,
    read_manifest,
    sha256_of,
)
from aigestion.audit.parquet import count_parquet, is_there
from aigestion.kernel.errors import Corrupt, NotFound


class _Line(msgspec.Struct):
    position: int


_decode = msgspec.json.Decoder(_Line).decode


async def verify_export(directory: Path, *, progress: Progress) -> Finding:
    """Stops at the first fault. `NotFound` if there is no manifest, `Corrupt` if it is none.

    `progress` is told the position reached.
    """
    manifest = read_manifest(directory)
    if manifest is None:
        raise NotFound(f"There is no export in {directory}: it has no {MANIFEST}.")
    checked, before = 0, manifest.first - 1
    for file in manifest.files:
        fault = _misplaced(file, before) or await _different(directory, manifest, file)
        if fault is not None:
            return _finding(checked, fault)
        checked, before = checked + file.events, file.last
        progress(before)
    if before != manifest.last or not manifest.complete:
        fault = Fault(before + 1, "is not exported yet: the same `audit export` again goes on")
        return _finding(checked, fault)
    if checked != manifest.events:
        fault = Fault(
            manifest.first, f"is of {manifest.events} events, says the manifest: {checked}"
        )
        return _finding(checked, fault)
    return _finding(checked, None, _note(directory, manifest))


def _misplaced(file: ExportedFile, before: int) -> Fault | None:
    if file.first != before + 1:
        return Fault(before + 1, f"is in no file: {file.name} begins at {file.first}")
    if file.events != file.last - file.first + 1:
        return Fault(file.first, f"begins {file.name}, which the manifest counts wrongly")
    return None


async def _different(directory: Path, manifest: Manifest, file: ExportedFile) -> Fault | None:
    path = directory / file.name
    if not path.is_file():
        return Fault(file.first, f"is gone: there is no file {file.name}")
    if sha256_of(path) != file.sha256:
        return Fault(file.first, f"begins {file.name}, which has another SHA-256")
    if manifest.format == "jsonl":
        return _counted_wrongly(path, file)
    if not is_there():
        return None
    try:
        counted = await count_parquet(path)
    except Corrupt as error:
        return Fault(file.first, error.message)
    expected = (file.events, file.first, file.last, file.events)
    if msgspec.structs.astuple(counted) != expected:
        return Fault(file.first, f"begins {file.name}, which does not hold each position once")
    return None


def _counted_wrongly(path: Path, file: ExportedFile) -> Fault | None:
    """The first line that is not the next position's."""
    expected = file.first
    with path.open("rb") as lines:
        for line in lines:
            try:
                position = _decode(line).position
            except msgspec.MsgspecError:
                return Fault(expected, f"is no event in {file.name}")
            if position != expected:
                return Fault(expected, f"is missing in {file.name}: {position} stands there")
            expected += 1
    if expected != file.last + 1:
        return Fault(expected, f"is missing: {file.name} ends before it")
    return None


def _note(directory: Path, manifest: Manifest) -> str | None:
    """What the manifest does not vouch for, and what could not be looked at."""
    notes = []
    if manifest.format == "parquet" and not is_there():
        notes.append("hashes only: rows are counted by chDB (pip install 'aigestion[embedded]')")
    known = {MANIFEST, *(file.name for file in manifest.files)}
    if unknown := sorted(path.name for path in directory.iterdir() if path.name not in known):
        notes.append(f"not of the export: {', '.join(unknown)}")
    return "; ".join(notes) or None


def _finding(checked: int, fault: Fault | None, note: str | None = None) -> Finding:
    return Finding(check="export", checked=checked, unit="events", note=note, fault=fault)
