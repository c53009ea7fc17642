"""What was once written opens for ever: bytes of version 1, exactly as a log and a table of keys hold them."""

from pathlib import Path
from uuid import UUID

import msgspec
import pytest

from aigestion.eventstore.keyring import WrappedKey
from aigestion.kernel.errors import Corrupt
from tests.unit.eventstore.log_border import Border, chat

MASTER_KEY = bytes(range(32))
WRAPPED = WrappedKey(
    UUID("e2aea240-ac92-4b7f-836e-4f5d32c455a6"),
    bytes.fromhex(
        "01f0ee8431dbd7c7c63b0176b87d55f420f16d1cf8324dbc5db0b8c3c41a70821b2b3cff12a1e7607ee5f03300b8"
        "b835eba020cee98a83f91effaff0696bc9c28d825034428450bafb579bdad5"
    ),
)
DATA = (
    b'{"conversation_id":"01990000-0000-7000-8000-000000000001","user_id":"ana","agent":"assistant",'
    b'"text":{"sealed":"AeKuokCskkt_g25PXTLEVaaPIp1fvTQExZD66YPH3eiP6hTvpQ2BjisbmNNPK2600yBfBR554a4Pm'
    b'U2vs-PidO5WtOG-R_85GwySPdc"}}'
)
TEXT = "¿Qué es una posición densa?"


@pytest.fixture
async def border(tmp_path: Path) -> Border:
    path = tmp_path / "master.key"
    path.write_bytes(MASTER_KEY)
    path.chmod(0o600)
    border = Border(tmp_path)
    await border.keys.create("demo", "user:ana", WRAPPED)
    return border


async def test_version_1_opens(border: Border) -> None:
    stored = msgspec.structs.replace(await border.seal(chat()), data=DATA)

    assert (await border.open(stored)).data == chat(TEXT)


async def test_its_sealed_bytes_name_version_and_key(border: Border) -> None:
    key = await border.vault.key_to_seal("demo", "user:ana")

    sealed = key.seal(b"text", b"place")

    assert sealed[:17] == b"\x01" + WRAPPED.key_id.bytes
    assert len(sealed) == 1 + 16 + 12 + len(b"text") + 16


async def test_one_changed_letter_is_noticed(border: Border) -> None:
    data = DATA.replace(b"PIp1", b"PIp2")
    stored = msgspec.structs.replace(await border.seal(chat()), data=data)

    with pytest.raises(Corrupt):
        await border.open(stored)
