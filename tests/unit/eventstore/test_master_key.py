"""The master key's file: made once, readable by its owner only, never silently wrong."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from aigestion.eventstore.master_key import FileMasterKey
from aigestion.kernel.errors import Corrupt, Misconfigured


def test_the_file_is_made_at_first_use_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "master.key"

    FileMasterKey(path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(path.read_bytes()) == 32
    assert os.listdir(tmp_path) == ["master.key"]


def test_the_same_file_unwraps_what_it_wrapped(tmp_path: Path) -> None:
    wrapped = FileMasterKey(tmp_path / "master.key").wrap(b"data key", b"ana")

    assert FileMasterKey(tmp_path / "master.key").unwrap(wrapped, b"ana") == b"data key"
    assert b"data key" not in wrapped


def test_two_wrappings_of_one_key_differ(tmp_path: Path) -> None:
    master = FileMasterKey(tmp_path / "master.key")

    assert master.wrap(b"data key", b"ana") != master.wrap(b"data key", b"ana")


def test_processes_that_start_together_agree_on_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        masters = list(threads.map(lambda _: FileMasterKey(tmp_path / "k"), range(32)))

    wrapped = masters[0].wrap(b"data key", b"ana")
    assert {master.unwrap(wrapped, b"ana") for master in masters} == {b"data key"}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601])
def test_a_file_that_others_can_use_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "master.key"
    FileMasterKey(path)
    path.chmod(mode)

    with pytest.raises(Misconfigured, match="chmod 600"):
        FileMasterKey(path)


@pytest.mark.parametrize("content", [b"", b"x" * 31, b"x" * 33])
def test_a_file_of_the_wrong_length_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "master.key"
    path.write_bytes(content)
    path.chmod(0o600)

    with pytest.raises(Misconfigured, match="damaged"):
        FileMasterKey(path)


def test_a_place_that_cannot_hold_a_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="cannot be used: No such file or directory"):
        FileMasterKey(tmp_path / "absent" / "master.key")


def test_another_master_key_says_so(tmp_path: Path) -> None:
    wrapped = FileMasterKey(tmp_path / "one").wrap(b"data key", b"ana")

    with pytest.raises(Corrupt, match="another master key"):
        FileMasterKey(tmp_path / "two").unwrap(wrapped, b"ana")


def test_a_wrapped_key_opens_in_its_own_context_only(tmp_path: Path) -> None:
    master = FileMasterKey(tmp_path / "master.key")

    with pytest.raises(Corrupt):
        master.unwrap(master.wrap(b"data key", b"ana"), b"bob")


@pytest.mark.parametrize("at", [0, 5, 20, -1])
def test_a_changed_byte_is_noticed_wherever_it_is(tmp_path: Path, at: int) -> None:
    master = FileMasterKey(tmp_path / "master.key")
    wrapped = bytearray(master.wrap(b"data key", b"ana"))
    wrapped[at] ^= 1

    with pytest.raises(Corrupt):
        master.unwrap(bytes(wrapped), b"ana")
    with pytest.raises(Corrupt):
        master.unwrap(b"\x01short", b"ana")
