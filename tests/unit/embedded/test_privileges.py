"""Whom engines run as, and where that user finds what it needs."""

import os
import pwd
import stat
from pathlib import Path

import pytest

from aigestion.embedded import privileges
from aigestion.embedded.privileges import EngineUser, engine_user
from aigestion.kernel.errors import Misconfigured

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has privileges to give up")
SOMEBODY = EngineUser(65534, 65534)


def test_engines_run_as_we_do_unless_we_are_root() -> None:
    expected = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None

    assert engine_user().uid == expected


@as_root
def test_a_system_without_that_user_is_one_clear_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(privileges, "NAME", "nobody-of-that-name")

    with pytest.raises(Misconfigured, match="no user nobody-of-that-name"):
        engine_user()


@as_root
def test_a_new_folder_is_the_engines_alone(tmp_path: Path) -> None:
    SOMEBODY.give(tmp_path / "nats")

    made = (tmp_path / "nats").stat()
    assert (made.st_uid, made.st_gid, stat.S_IMODE(made.st_mode)) == (65534, 65534, 0o700)


@as_root
def test_roots_copy_of_a_folder_is_handed_over_without_following_links(tmp_path: Path) -> None:
    (tmp_path / "outside").touch()
    (tmp_path / "nats/store").mkdir(parents=True)
    (tmp_path / "nats/store/file").touch()
    (tmp_path / "nats/store/link").symlink_to(tmp_path / "outside")

    SOMEBODY.give(tmp_path / "nats")

    owners = {path.lstat().st_uid for path in (tmp_path / "nats").rglob("*")}
    assert owners == {65534}
    assert (tmp_path / "outside").stat().st_uid == 0


@as_root
def test_a_folder_of_somebody_else_keeps_its_owner_who_then_runs_the_engine(tmp_path: Path) -> None:
    folder = tmp_path / "postgres"
    folder.mkdir()
    os.chown(folder, 12345, 12346)

    user = SOMEBODY.of(folder)
    user.give(folder)

    assert user == EngineUser(12345, 12346)
    assert folder.stat().st_uid == 12345
    assert SOMEBODY.of(tmp_path / "nothing") == SOMEBODY
    assert EngineUser().of(folder) == EngineUser()


def installed(root: Path) -> Path:
    (root / "bin/lib").mkdir(parents=True)
    (root / "bin/engine").write_text("#!/bin/sh\ncat lib/words\n")
    (root / "bin/engine").chmod(0o755)
    (root / "bin/lib/words").write_text("hello")
    (root / "bin/lib/same").symlink_to("words")
    return root


@as_root
def test_binaries_nobody_can_walk_to_are_copied_once_to_where_everybody_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(privileges, "CACHE", tmp_path / "cache")
    tmp_path.chmod(0o755)
    closed = tmp_path / "home"
    closed.mkdir(mode=0o700)
    installed(closed / "venv")
    for path in (closed / "venv").rglob("*"):
        if not path.is_symlink():
            path.chmod(0o700)  # what pip installs under umask 077
    (closed / "venv/bin/lib/words").chmod(0o600)

    umask = os.umask(0o077)
    found = SOMEBODY.reachable(closed / "venv", ["bin"], "engine-1.0")
    os.umask(umask)
    again = SOMEBODY.reachable(closed / "venv", ["bin"], "engine-1.0")

    assert found == again == tmp_path / "cache/engine-1.0"
    assert EngineUser().reachable(closed / "venv", ["bin"], "engine-1.0") == closed / "venv"
    assert stat.S_IMODE((tmp_path / "cache").stat().st_mode) == 0o755
    assert stat.S_IMODE((found / "bin/engine").stat().st_mode) == 0o755
    assert stat.S_IMODE((found / "bin/lib/words").stat().st_mode) == 0o644
    assert list((tmp_path / "cache").iterdir()) == [found]


@as_root
def test_binaries_that_cannot_be_reached_nor_copied_are_one_clear_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(privileges, "CACHE", tmp_path / "file/cache")
    (tmp_path / "home").mkdir(mode=0o700)
    installed(tmp_path / "home/venv")

    with pytest.raises(Misconfigured, match="another user than root"):
        SOMEBODY.reachable(tmp_path / "home/venv", ["bin"], "engine-1.0")


@as_root
def test_binaries_everybody_can_use_stay_where_they_are() -> None:
    assert SOMEBODY.reachable(Path("/usr"), ["bin"], "engine-1.0") == Path("/usr")
