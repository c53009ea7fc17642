"""A locked data dir under a folder that only its owner may enter, as root's home is."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from aigestion.embedded.datadir import DataDir


@pytest.fixture
def home(tmp_path: Path) -> Path:
    closed = tmp_path / "home"
    closed.mkdir(mode=0o700)
    return closed


@pytest.fixture
def data_dir(home: Path) -> Iterator[DataDir]:
    found = DataDir(home / ".aigestion")
    with found.locked():
        yield found
