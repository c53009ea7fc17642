"""A run that cannot be: refused in one sentence before anything is started, and nothing stays behind."""

import tempfile
from pathlib import Path

import pytest

from aigestion.kernel.errors import Misconfigured
from aigestion.prove import machine, run


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("limit", "said"),
    [("FREE_BYTES_MIN", "MiB left.*TMPDIR"), ("MEMORY_BYTES_MIN", "MiB of memory left")],
)
async def test_a_machine_that_is_too_small_is_refused(
    limit: str, said: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, limit, 2**60)

    with pytest.raises(Misconfigured, match=said):
        await run.prove(faults=1, seed=1, minutes=None, kinds=("kill-nats",), keep=False)

    assert not any(folder.glob("*"))  # noqa: ASYNC240
