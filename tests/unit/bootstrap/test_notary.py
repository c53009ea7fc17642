"""Whose checkpoints are made and believed, as settings and key files say."""

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from aigestion.audit.note import Signer
from aigestion.bootstrap.notary import known_keys, role_notary, signer_of
from aigestion.kernel.errors import InvalidInput, Misconfigured
from aigestion.settings import Settings, load_settings

EARLIER = str(Signer("aigestion.log/other", bytes(32)).public)
LOG: Any = SimpleNamespace(store=None, pool=None, url="postgresql://log@nowhere/log")


def settings(*, name: str = "acme", **log: Any) -> Settings:
    return load_settings(log={"name": name, **log})


def test_a_role_without_a_key_signs_nothing_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert role_notary(settings(), LOG) is None

    assert caplog.messages == [
        "no checkpoints are signed: AIGESTION_LOG__CHECKPOINT_KEY_FILE is not set"
    ]


def test_a_role_makes_no_key_of_its_own(tmp_path: Path) -> None:
    key = tmp_path / "checkpoint.key"

    with pytest.raises(Misconfigured, match="aigestion migrate"):
        role_notary(settings(checkpoint_key_file=key), LOG)

    assert not key.exists()


def test_a_role_with_a_key_has_a_notary(tmp_path: Path) -> None:
    key = tmp_path / "checkpoint.key"
    signer_of(settings(), key)

    assert role_notary(settings(checkpoint_key_file=key), LOG) is not None


def test_keys_are_named_like_the_log_and_stay_what_they_are(tmp_path: Path) -> None:
    key = tmp_path / "checkpoint.key"
    first, again = signer_of(settings(), key), signer_of(settings(), key)

    assert first.public == again.public
    assert first.public.name == "aigestion.log/acme"
    assert key.stat().st_mode & 0o077 == 0


def test_earlier_keys_are_believed_beside_the_present_one(tmp_path: Path) -> None:
    key = tmp_path / "checkpoint.key"
    both = settings(checkpoint_keys=[EARLIER])
    assert [str(one) for one in known_keys(both, key)] == [EARLIER]

    present = signer_of(both, key).public

    assert [str(one) for one in known_keys(both, key)] == [str(present), EARLIER]


def test_a_key_in_the_settings_that_is_none_is_told() -> None:
    with pytest.raises(Misconfigured, match="checkpoint_keys"):
        settings(checkpoint_keys=["nonsense"])
    with pytest.raises(InvalidInput, match="no public key"):
        known_keys(settings(checkpoint_keys=[EARLIER.replace("+A", "+B")]), None)
