"""The vault: one key a subject, opened once, gone for ever when destroyed."""

import asyncio
from pathlib import Path

import pytest

from aigestion.eventstore.keyring import WrappedKey
from aigestion.eventstore.master_key import FileMasterKey
from aigestion.eventstore.memory import MemoryKeyTable
from aigestion.eventstore.vault import (
    OPENED_KEY_AGE_MAX_SECONDS,
    DestroyedKey,
    OpenedKey,
    Vault,
    framed,
)
from aigestion.kernel.errors import Corrupt, Refused


class SlowKeyTable(MemoryKeyTable):
    """Lets others run before it answers, as a database does, and counts what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.finds = 0
        self.creations = 0

    async def find(self, tenant: str, subject: str) -> WrappedKey | None:
        self.finds += 1
        await asyncio.sleep(0)
        return await super().find(tenant, subject)

    async def create(self, tenant: str, subject: str, key: WrappedKey) -> WrappedKey:
        self.creations += 1
        await asyncio.sleep(0)
        return await super().create(tenant, subject, key)


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def keys() -> SlowKeyTable:
    return SlowKeyTable()


@pytest.fixture
def master(tmp_path: Path) -> FileMasterKey:
    return FileMasterKey(tmp_path / "master.key")


@pytest.fixture
def vault(keys: SlowKeyTable, master: FileMasterKey) -> Vault:
    return Vault(keys, master)


async def test_concurrent_first_uses_make_one_key(vault: Vault, keys: SlowKeyTable) -> None:
    made = await asyncio.gather(*(vault.key_to_seal("demo", "user:ana") for _ in range(50)))

    assert len({key.key_id for key in made}) == 1
    assert (keys.finds, keys.creations) == (1, 1)


async def test_first_uses_in_two_processes_agree_on_one_key(
    keys: SlowKeyTable, master: FileMasterKey
) -> None:
    ours, theirs = Vault(keys, master), Vault(keys, master)

    one, other = await asyncio.gather(
        ours.key_to_seal("demo", "user:ana"), theirs.key_to_seal("demo", "user:ana")
    )

    assert one.key_id == other.key_id
    assert other.open(one.seal(b"hello", b"here"), b"here") == b"hello"


async def test_a_caller_that_gives_up_does_not_stop_the_others(vault: Vault) -> None:
    first = asyncio.create_task(vault.key_to_seal("demo", "user:ana"))
    second = asyncio.create_task(vault.key_to_seal("demo", "user:ana"))
    await asyncio.sleep(0)
    first.cancel()

    assert isinstance(await second, OpenedKey)


async def test_an_opened_key_needs_no_waiting(vault: Vault, keys: SlowKeyTable) -> None:
    assert vault.cached("demo", "user:ana") is None
    key = await vault.key_to_seal("demo", "user:ana")

    assert vault.cached("demo", "user:ana") is key
    assert await vault.key_to_seal("demo", "user:ana") is key
    assert keys.finds == 1


async def test_subjects_and_tenants_have_keys_of_their_own(vault: Vault) -> None:
    keys = [
        await vault.key_to_seal(tenant, subject)
        for tenant, subject in [("demo", "user:ana"), ("demo", "user:bob"), ("other", "user:ana")]
    ]

    assert len({key.key_id for key in keys}) == 3


async def test_only_so_many_keys_stay_open(keys: SlowKeyTable, master: FileMasterKey) -> None:
    vault = Vault(keys, master, opened_keys_max=2)
    for user in ("ana", "bob"):
        await vault.key_to_seal("demo", f"user:{user}")
    vault.cached("demo", "user:ana")

    await vault.key_to_seal("demo", "user:eva")

    assert vault.cached("demo", "user:ana") is not None
    assert vault.cached("demo", "user:bob") is None


async def test_a_destroyed_key_seals_nothing_more(vault: Vault) -> None:
    sealed = (await vault.key_to_seal("demo", "user:ana")).seal(b"hello", b"here")

    await vault.destroy("demo", "user:ana")
    await vault.destroy("demo", "user:ana")

    assert isinstance(await vault.key_to_open("demo", "user:ana", sealed), DestroyedKey)
    with pytest.raises(Refused, match="erased"):
        await vault.key_to_seal("demo", "user:ana")
    with pytest.raises(Refused, match="erased"):
        await vault.keyed_hash("demo", "user:ana", "hello")


async def test_what_another_process_destroyed_is_forgotten_in_time(
    keys: SlowKeyTable, master: FileMasterKey
) -> None:
    clock = Clock()
    ours, theirs = Vault(keys, master, monotonic_seconds=clock), Vault(keys, master)
    await ours.key_to_seal("demo", "user:ana")
    await theirs.destroy("demo", "user:ana")

    clock.seconds = OPENED_KEY_AGE_MAX_SECONDS + 1

    with pytest.raises(Refused):
        await ours.key_to_seal("demo", "user:ana")


async def test_a_destroyed_key_is_not_asked_for_again_and_again(
    vault: Vault, keys: SlowKeyTable
) -> None:
    sealed = (await vault.key_to_seal("demo", "user:ana")).seal(b"hello", b"here")
    await vault.destroy("demo", "user:ana")
    before = keys.finds

    for _ in range(10):
        await vault.key_to_open("demo", "user:ana", sealed)

    assert keys.finds == before + 1


async def test_a_sealed_value_without_any_key_is_corrupt_not_erased(vault: Vault) -> None:
    sealed = (await vault.key_to_seal("demo", "user:ana")).seal(b"hello", b"here")

    with pytest.raises(Corrupt, match="no key"):
        await vault.key_to_open("demo", "user:nobody", sealed)


async def test_a_value_sealed_with_another_key_is_corrupt(vault: Vault) -> None:
    sealed = (await vault.key_to_seal("demo", "user:ana")).seal(b"hello", b"here")
    await vault.key_to_seal("demo", "user:bob")

    with pytest.raises(Corrupt, match="not its subject's"):
        await vault.key_to_open("demo", "user:bob", sealed)


@pytest.mark.parametrize("sealed", [b"", b"\x01 too short", b"\x02" + bytes(60)])
async def test_an_unknown_form_is_corrupt(vault: Vault, sealed: bytes) -> None:
    with pytest.raises(Corrupt, match="form"):
        await vault.key_to_open("demo", "user:ana", sealed)


async def test_a_wrapped_key_moved_to_another_subject_does_not_open(
    vault: Vault, keys: SlowKeyTable
) -> None:
    await vault.key_to_seal("demo", "user:ana")
    stolen = await keys.find("demo", "user:ana")
    assert stolen is not None
    await keys.create("demo", "user:bob", stolen)

    with pytest.raises(Corrupt):
        await vault.key_to_seal("demo", "user:bob")


async def test_sealed_bytes_open_in_their_place_only(vault: Vault) -> None:
    key = await vault.key_to_seal("demo", "user:ana")
    sealed = key.seal(b"hello", b"here")

    assert key.open(sealed, b"here") == b"hello"
    assert key.seal(b"hello", b"here") != sealed
    with pytest.raises(Corrupt):
        key.open(sealed, b"there")
    with pytest.raises(Corrupt):
        key.open(sealed[:-1] + bytes([sealed[-1] ^ 1]), b"here")
    with pytest.raises(Corrupt):
        key.open(sealed[:20], b"here")


async def test_a_keyed_hash_is_the_subjects_own(vault: Vault) -> None:
    ours = await vault.keyed_hash("demo", "document:1", "text")

    assert len(ours) == 32
    assert await vault.keyed_hash("demo", "document:1", "text") == ours
    assert await vault.keyed_hash("demo", "document:1", "other") != ours
    assert await vault.keyed_hash("demo", "document:2", "text") != ours


def test_no_two_lists_of_parts_frame_alike() -> None:
    assert framed(b"ab", b"c") != framed(b"a", b"bc") != framed(b"abc")
