"""A small disk that runs full: mounted, filled, emptied and gone."""

import os
from pathlib import Path

import pytest

from aigestion.prove.machine import cannot, fill, small_disk


def test_a_small_disk_is_full_and_is_gone_in_the_end(tmp_path: Path) -> None:
    if hindered := cannot().get("disk-full"):
        pytest.skip(f"NOT TESTED: {hindered}")
    with small_disk(tmp_path, 2):
        ballast = fill(tmp_path)
        with pytest.raises(OSError, match="No space"):
            (tmp_path / "more").write_bytes(bytes(64 * 1024))
        ballast.unlink()
        (tmp_path / "more").write_bytes(bytes(64 * 1024))
        assert os.path.ismount(tmp_path)

    assert not os.path.ismount(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_who_may_not_mount_is_told(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="mount"), small_disk(tmp_path / "missing", 1):
        pass
