"""An export as Parquet, by the real engine: every column, every count, and a change found."""

import json
from pathlib import Path

import chdb
import pytest

from aigestion.audit import export as module
from aigestion.audit.exported import verify_export
from aigestion.audit.manifest import Manifest
from aigestion.eventstore.reader import LogReader
from aigestion.kernel.errors import Corrupt
from tests.unit.audit.histories import ASKED, QUESTION, STORY, Truth, ignore


async def test_the_log_is_exported_as_parquet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FILE_EVENTS_MAX", 3)
    truth = Truth(tmp_path)
    await truth.tell([*STORY, ASKED])
    folder = tmp_path / "it's {out}"
    wanted = Manifest(format="parquet", first=2, last=6)

    manifest = await module.export(
        LogReader(truth.history, truth.codec), folder, wanted, progress=ignore
    )
    found = await verify_export(folder, progress=ignore)

    assert [file.name for file in manifest.files] == [
        "events-000000000002-000000000004.parquet",
        "events-000000000005-000000000006.parquet",
    ]
    assert (found.fault, found.checked) == (None, 5)
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.iterdir())
    first = tmp_path / "first.parquet"
    first.write_bytes((folder / manifest.files[0].name).read_bytes())
    row = json.loads(
        str(chdb.query(f"SELECT * FROM file('{first}') ORDER BY position LIMIT 1", "JSONEachRow"))
    )
    assert (row["position"], row["type"], row["id"]) == (2, "user.chat", str(QUESTION))
    assert json.loads(row["data"])["text"] == ASKED.text
    assert row["recorded_at"] == "2026-05-04 12:02:00.000000"
    assert row["causation_id"] is None
    assert row["tags"][1] == "user:ana"


async def test_a_file_that_is_no_parquet_is_named(tmp_path: Path) -> None:
    from aigestion.audit.parquet import count_parquet

    (tmp_path / "x.parquet").write_text("nonsense")

    with pytest.raises(Corrupt, match=r"chDB could not count x\.parquet"):
        await count_parquet(tmp_path / "x.parquet")
