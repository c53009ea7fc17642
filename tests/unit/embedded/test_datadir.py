"""The data dir: who owns it, what it refuses, and its private files."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from aigestion.embedded import datadir
from aigestion.embedded.datadir import LAYOUT_VERSION, DataDir
from aigestion.kernel.errors import Misconfigured


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def everything_in(path: Path) -> set[str]:
    return {str(found.relative_to(path)) for found in path.rglob("*")}


def test_a_new_data_dir_is_closed_to_others(tmp_path: Path) -> None:
    data_dir = DataDir(tmp_path / "some/where/data")

    with data_dir.locked():
        assert mode(data_dir.path) == 0o700
        assert mode(data_dir.logs) == mode(data_dir.run) == 0o700
        assert (data_dir.path / "VERSION").read_text() == f"{LAYOUT_VERSION}\n"


def test_an_empty_folder_that_was_there_becomes_a_closed_data_dir(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)

    with DataDir(tmp_path).locked():
        assert mode(tmp_path) == 0o700


def test_a_second_owner_is_refused_with_the_pid_of_the_first(tmp_path: Path) -> None:
    script = (
        "import sys, pathlib; from aigestion.embedded.datadir import DataDir\n"
        f"with DataDir(pathlib.Path({str(tmp_path / 'data')!r})).locked():\n"
        "    print('locked', flush=True); sys.stdin.read()"
    )
    first = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert first.stdout is not None
    assert first.stdin is not None
    assert first.stdout.readline() == b"locked\n"

    with pytest.raises(Misconfigured) as refused, DataDir(tmp_path / "data").locked():
        pass
    first.kill()
    first.wait()
    first.stdin.close()
    first.stdout.close()

    assert f"in use by process {first.pid}:" in refused.value.message
    with DataDir(tmp_path / "data").locked():  # the lock died with its owner
        pass


def test_it_can_be_locked_again_by_the_same_process_once_it_is_free(tmp_path: Path) -> None:
    refusal = pytest.raises(Misconfigured, match=str(os.getpid()))

    with DataDir(tmp_path).locked(), refusal, DataDir(tmp_path).locked():
        pass
    with DataDir(tmp_path).locked():
        pass


@pytest.mark.parametrize("version", [str(LAYOUT_VERSION + 1), "99.0.0", "", "-1", "\0"])
def test_a_newer_or_unknown_version_is_refused_before_anything_is_touched(
    tmp_path: Path, version: str
) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "VERSION").write_text(version)

    with pytest.raises(Misconfigured, match="run the newer program"), DataDir(tmp_path).locked():
        pass

    assert everything_in(tmp_path) == {"VERSION"}
    assert mode(tmp_path) == 0o755


def test_an_older_version_is_accepted(tmp_path: Path) -> None:
    (tmp_path / "VERSION").write_text("0\n")

    with DataDir(tmp_path).locked():
        assert (tmp_path / "lock").exists()


def test_a_folder_with_other_things_in_it_is_left_alone(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "thesis.txt").touch()

    with pytest.raises(Misconfigured, match=r"thesis\.txt"), DataDir(tmp_path).locked():
        pass

    assert everything_in(tmp_path) == {"thesis.txt"}
    assert mode(tmp_path) == 0o755


def test_a_first_start_that_was_interrupted_is_begun_again(tmp_path: Path) -> None:
    (tmp_path / "VERSION.0123456789abcdef").touch()
    (tmp_path / "lost+found").mkdir()

    with DataDir(tmp_path).locked():
        assert (tmp_path / "VERSION").exists()


def test_a_file_in_its_place_is_one_clear_sentence(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_text("mine")

    with pytest.raises(Misconfigured, match="Not a directory"), DataDir(path).locked():
        pass

    assert path.read_text() == "mine"


def test_too_little_room_is_refused_before_there_is_a_data_dir(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datadir, "FREE_BYTES_MIN", 1 << 60)

    with pytest.raises(Misconfigured, match="MiB are needed"), DataDir(tmp_path).locked():
        pass

    assert everything_in(tmp_path) == set()


def test_a_fault_inside_the_block_is_not_the_data_dirs(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), DataDir(tmp_path).locked():
        (tmp_path / "nothing").read_text()


def test_a_secret_is_made_once_and_private(tmp_path: Path) -> None:
    with DataDir(tmp_path).locked():
        made = DataDir(tmp_path).secret("nats-app")
        other = DataDir(tmp_path).secret("nats-relay")
        key = DataDir(tmp_path).secret_bytes("cookies", 32)

    with DataDir(tmp_path).locked():
        assert DataDir(tmp_path).secret("nats-app") == made
        assert DataDir(tmp_path).secret_bytes("cookies", 32) == key
    assert made != other
    assert len(made) >= 40
    assert made.replace("-", "").replace("_", "").isalnum()
    assert [mode(path) for path in (tmp_path / "secrets").iterdir()] == [0o600] * 3


def test_a_secret_that_others_may_read_is_refused(tmp_path: Path) -> None:
    data_dir = DataDir(tmp_path)
    data_dir.secret("nats-app")
    (tmp_path / "secrets/nats-app").chmod(0o640)

    with pytest.raises(Misconfigured, match="chmod 600"):
        data_dir.secret("nats-app")


def test_a_damaged_secret_is_never_replaced_in_silence(tmp_path: Path) -> None:
    data_dir = DataDir(tmp_path)
    data_dir.secret("nats-app")
    data_dir.secret_bytes("cookies", 32)
    (tmp_path / "secrets/nats-app").write_bytes(b"")
    (tmp_path / "secrets/cookies").write_bytes(b"short")

    with pytest.raises(Misconfigured, match="damaged"):
        data_dir.secret("nats-app")
    with pytest.raises(Misconfigured, match="damaged"):
        data_dir.secret_bytes("cookies", 32)


def test_a_private_file_is_replaced_whole_and_read_back(tmp_path: Path) -> None:
    data_dir = DataDir(tmp_path)
    assert data_dir.read_private("demo.key") is None

    data_dir.write_private("demo.key", "one")
    data_dir.write_private("demo.key", "señal")

    assert data_dir.read_private("demo.key") == "señal"
    assert mode(tmp_path / "demo.key") == 0o600
    assert everything_in(tmp_path) == {"demo.key"}


def test_a_link_in_a_private_files_place_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("untouched")
    (tmp_path / "demo.key").symlink_to(tmp_path / "target")

    DataDir(tmp_path).write_private("demo.key", "secret")

    assert (tmp_path / "target").read_text() == "untouched"
    assert not (tmp_path / "demo.key").is_symlink()
