"""The file that a subscriber is given."""

from pathlib import Path

import msgspec
import pytest

from aigestion.kernel.errors import InvalidInput
from aigestion.messaging.credential import Credential

CREDENTIAL = Credential(
    url="nats://127.0.0.1:4222",
    seed="SUcanary",
    inbox_prefix="_INBOX.acme-1",
    stream="EVENTS",
    consumer="acme-1",
    subject="events.acme.user.*",
    tenant="acme",
)


def test_it_is_read_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "acme.json").write_bytes(msgspec.json.encode(CREDENTIAL))

    assert Credential.load(tmp_path / "acme.json") == CREDENTIAL


def test_a_file_of_something_else_is_named(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text('{"url": 1}')

    with pytest.raises(InvalidInput, match=r"other\.json is no credential"):
        Credential.load(tmp_path / "other.json")


def test_its_secret_is_not_printed() -> None:
    assert "canary" not in f"{CREDENTIAL!r} {CREDENTIAL}"
