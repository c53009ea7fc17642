"""The log in files: bounded, hashed, gone on with after a kill; and every change of them found."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from aigestion.audit import export as module
from aigestion.audit import exported, parquet
from aigestion.audit.export import export
from aigestion.audit.exported import verify_export
from aigestion.audit.finding import Finding
from aigestion.audit.manifest import MANIFEST, Format, Manifest, read_manifest
from aigestion.eventstore.reader import LogReader
from aigestion.kernel.errors import AIGestionError, Corrupt, Misconfigured, NotFound
from tests.unit.audit.histories import ASKED, Truth, ignore


class Killed(BaseException):
    """As SIGKILL: nothing is tidied up on purpose."""


@pytest.fixture
async def truth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Truth:
    """Twelve events, for files of five."""
    monkeypatch.setattr(module, "FILE_EVENTS_MAX", 5)
    truth = Truth(tmp_path)
    await truth.tell([ASKED] * 12)
    return truth


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "out"


async def exporting(
    truth: Truth,
    folder: Path,
    first: int = 1,
    last: int = 12,
    file_format: Format = "jsonl",
    progress: Callable[[int], None] = ignore,
) -> Manifest:
    wanted = Manifest(format=file_format, first=first, last=last)
    reader = LogReader(truth.history, truth.codec)
    return await export(reader, folder, wanted, progress=progress)


async def verdict(folder: Path) -> Finding:
    return await verify_export(folder, progress=ignore)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def times(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("events-*")}


async def test_events_are_in_files_of_bounded_size_and_the_manifest_tells_which(
    truth: Truth, folder: Path
) -> None:
    manifest = await exporting(truth, folder)

    assert [(file.first, file.last, file.events) for file in manifest.files] == [
        (1, 5, 5),
        (6, 10, 5),
        (11, 12, 2),
    ]
    assert manifest == read_manifest(folder)
    assert (manifest.complete, manifest.events) == (True, 12)
    lines = (folder / "events-000000000006-000000000010.jsonl").read_text().splitlines()
    opened = [json.loads(line) for line in lines]
    assert [one["position"] for one in opened] == [6, 7, 8, 9, 10]
    assert opened[0]["data"]["text"] == ASKED.text
    assert (await verdict(folder)).passed
    assert names(folder) == {
        MANIFEST,
        *(file.name for file in manifest.files),
    }


async def test_a_file_ends_with_the_event_that_makes_it_large(
    truth: Truth, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FILE_BYTES_MAX", 1_000)

    manifest = await exporting(truth, folder, 3, 8)

    assert all(1_000 <= file.bytes < 2_000 for file in manifest.files[:-1])
    assert (manifest.files[0].first, manifest.reached) == (3, 8)
    assert (await verdict(folder)).passed


async def test_killed_it_goes_on_and_keeps_what_is_finished(
    truth: Truth, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = await exporting(truth, folder.with_name("whole"))
    finish = module._finished

    async def die_at_the_second(part: Any, manifest: Manifest) -> Manifest:
        if manifest.files:
            raise Killed
        return await finish(part, manifest)

    monkeypatch.setattr(module, "_finished", die_at_the_second)
    with pytest.raises(Killed):
        await exporting(truth, folder)
    broken_off = await verdict(folder)
    kept = times(folder)
    monkeypatch.setattr(module, "_finished", finish)

    resumed = await exporting(truth, folder)

    assert broken_off.fault is not None
    assert broken_off.fault.position == 6
    assert "goes on" in broken_off.fault.message
    assert resumed == whole
    assert kept.items() <= times(folder).items()
    assert (await verdict(folder)).passed


async def test_killed_between_a_file_and_its_manifest_it_writes_that_file_again(
    truth: Truth, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = module.write_manifest

    def die(_directory: Path, manifest: Manifest) -> None:
        if manifest.files:
            raise Killed
        write(_directory, manifest)

    monkeypatch.setattr(module, "write_manifest", die)
    with pytest.raises(Killed):
        await exporting(truth, folder)
    monkeypatch.setattr(module, "write_manifest", write)

    assert (await exporting(truth, folder)).complete
    assert (await verdict(folder)).passed


async def test_done_it_only_checks(truth: Truth, folder: Path) -> None:
    manifest = await exporting(truth, folder)
    written = times(folder)

    assert await exporting(truth, folder) == manifest
    assert times(folder) == written


async def test_a_finished_file_that_was_changed_is_named(truth: Truth, folder: Path) -> None:
    manifest = await exporting(truth, folder)
    (folder / manifest.files[1].name).write_text("{}")

    with pytest.raises(Corrupt, match=r"events-000000000006-.* is not what was exported"):
        await exporting(truth, folder)


async def test_another_export_or_anything_else_in_the_folder_is_left_alone(
    truth: Truth, folder: Path
) -> None:
    await exporting(truth, folder)
    other = folder.with_name("other")
    other.mkdir()
    (other / "precious").write_text("")

    for where, last in ((folder, 11), (other, 12)):
        with pytest.raises(Misconfigured):
            await exporting(truth, where, last=last)
    assert [path.name for path in other.iterdir()] == ["precious"]


async def test_two_at_once_do_not_spoil_one_another(truth: Truth, folder: Path) -> None:
    await exporting(truth, folder)

    with module._alone(folder), pytest.raises(Misconfigured, match="Another process"):
        await exporting(truth, folder)


async def test_a_hole_in_the_log_ends_it(truth: Truth, folder: Path) -> None:
    del truth.history.rows[6]

    with pytest.raises(AIGestionError, match="no position 7"):
        await exporting(truth, folder)
    assert not (await verdict(folder)).passed


@pytest.mark.parametrize(
    ("change", "position", "message"),
    [
        (lambda text: text.replace("posición", "posicion"), 6, "has another SHA-256"),
        (None, 6, "is gone"),
    ],
)
async def test_a_file_that_was_changed_or_is_gone_is_found(
    truth: Truth, folder: Path, change: Callable[[str], str] | None, position: int, message: str
) -> None:
    manifest = await exporting(truth, folder)
    file = folder / manifest.files[1].name
    if change is None:
        file.unlink()
    else:
        file.write_text(change(file.read_text()))

    fault = (await verdict(folder)).fault

    assert fault is not None
    assert (fault.position, message in fault.message) == (position, True)


@pytest.mark.parametrize(
    ("lines", "position"), [([0, 1, 3, 4], 8), ([0, 1, 2, 3], 10), ([1, 0, 2, 3, 4], 6)]
)
async def test_a_hole_that_the_manifest_covers_up_is_found(
    truth: Truth, folder: Path, lines: list[int], position: int
) -> None:
    manifest = await exporting(truth, folder)
    file = folder / manifest.files[1].name
    kept = file.read_text().splitlines()
    file.write_text("".join(f"{kept[line]}\n" for line in lines))
    forge(folder, manifest, sha256=exported.sha256_of(file))

    fault = (await verdict(folder)).fault

    assert fault is not None
    assert fault.position == position


@pytest.mark.parametrize("forged", [{"first": 7}, {"events": 4}])
async def test_a_manifest_with_a_hole_is_found(
    truth: Truth, folder: Path, forged: dict[str, int]
) -> None:
    forge(folder, await exporting(truth, folder), **forged)

    assert not (await verdict(folder)).passed


def forge(folder: Path, manifest: Manifest, **fields: object) -> None:
    """Change what the manifest says of the second file."""
    files = list(manifest.files)
    files[1] = msgspec.structs.replace(files[1], **fields)
    forged = msgspec.structs.replace(manifest, files=tuple(files))
    (folder / MANIFEST).write_bytes(msgspec.json.encode(forged))


async def test_what_is_no_export_is_said(tmp_path: Path) -> None:
    folder = tmp_path
    with pytest.raises(NotFound, match=r"no manifest\.json"):
        await verdict(folder)

    elsewhere = {"name": "../x", "first": 1, "last": 1, "events": 1, "bytes": 1, "sha256": ""}
    manifest = {"format": "jsonl", "first": 1, "last": 1, "files": [elsewhere]}
    for written in (b"\xff", b"{}", json.dumps(manifest).encode()):
        (folder / MANIFEST).write_bytes(written)
        with pytest.raises(Corrupt):
            await verdict(folder)


async def test_a_stranger_in_the_folder_is_told(truth: Truth, folder: Path) -> None:
    await exporting(truth, folder)
    (folder / "notes.txt").write_text("")

    found = await verdict(folder)

    assert found.passed
    assert found.note == "not of the export: notes.txt"


async def test_without_chdb_parquet_is_refused_and_hashes_are_checked_all_the_same(
    truth: Truth, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await exporting(truth, folder)
    manifest = read_manifest(folder)
    assert manifest is not None
    as_parquet = msgspec.structs.replace(manifest, format="parquet")
    (folder / MANIFEST).write_bytes(msgspec.json.encode(as_parquet))
    for one in (parquet, exported):
        monkeypatch.setattr(one, "is_there", lambda: False)

    found = await verdict(folder)

    assert found.note is not None
    assert found.note.startswith("hashes only")
    with pytest.raises(Misconfigured, match=r"pip install 'aigestion\[embedded\]'"):
        await exporting(truth, folder.with_name("other"), file_format="parquet")
