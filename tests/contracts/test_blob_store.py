"""What every blob store and every key table promises, in memory and in Postgres."""

import asyncio
import hashlib
from collections.abc import AsyncIterator

import asyncpg
import pytest

from aigestion.eventstore.keyring import KeyTable, WrappedKey
from aigestion.eventstore.memory import MemoryBlobStore, MemoryKeyTable
from aigestion.eventstore.port import BlobStore
from aigestion.eventstore.postgres import PostgresBlobStore, PostgresKeyTable
from aigestion.kernel.errors import Corrupt
from aigestion.kernel.ids import new_id
from tests.support.log import migrated


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(await migrated(database_url), min_size=1, max_size=8) as pool:
        yield pool


@pytest.fixture(params=["memory", "postgres"])
def blobs(request: pytest.FixtureRequest) -> BlobStore:
    if request.param == "memory":
        return MemoryBlobStore()
    return PostgresBlobStore(request.getfixturevalue("pool"))


@pytest.fixture(params=["memory", "postgres"])
def keys(request: pytest.FixtureRequest) -> KeyTable:
    if request.param == "memory":
        return MemoryKeyTable()
    return PostgresKeyTable(request.getfixturevalue("pool"))


@pytest.mark.parametrize("content", [b"", b"\0", bytes(range(256)) * 4096], ids=len)
async def test_a_blob_comes_back_to_the_byte(blobs: BlobStore, content: bytes) -> None:
    content_hash = await blobs.put(content)

    assert content_hash == hashlib.sha256(content).hexdigest()
    assert await blobs.get(content_hash) == content


async def test_storing_a_blob_again_and_at_once_is_harmless(blobs: BlobStore) -> None:
    hashes = await asyncio.gather(*(blobs.put(b"the same") for _ in range(20)))

    assert len(set(hashes)) == 1
    assert await blobs.get(hashes[0]) == b"the same"


@pytest.mark.parametrize("content_hash", ["00" * 32, "", "00"])
async def test_a_missing_blob_is_a_corruption(blobs: BlobStore, content_hash: str) -> None:
    with pytest.raises(Corrupt):
        await blobs.get(content_hash)


async def test_a_key_is_found_under_its_tenant_and_subject_only(keys: KeyTable) -> None:
    key = WrappedKey(new_id(), b"wrapped")

    assert await keys.create("demo", "user:ana", key) == key

    assert await keys.find("demo", "user:ana") == key
    assert await keys.find("other", "user:ana") is None
    assert await keys.find("demo", "user:bob") is None


async def test_of_many_created_at_once_one_key_stands_for_all(keys: KeyTable) -> None:
    offered = [WrappedKey(new_id(), bytes([n])) for n in range(30)]

    standing = await asyncio.gather(*(keys.create("demo", "user:ana", key) for key in offered))

    assert len({key.key_id for key in standing}) == 1
    assert standing[0] in offered
    assert await keys.find("demo", "user:ana") == standing[0]


async def test_a_destroyed_key_keeps_its_id_and_is_not_replaced(keys: KeyTable) -> None:
    key = WrappedKey(new_id(), b"wrapped")
    await keys.create("demo", "user:ana", key)
    await keys.create("demo", "user:bob", WrappedKey(new_id(), b"of bob"))

    await keys.destroy("demo", "user:ana")
    await keys.destroy("demo", "user:ana")

    destroyed = WrappedKey(key.key_id, None)
    assert await keys.find("demo", "user:ana") == destroyed
    assert await keys.create("demo", "user:ana", WrappedKey(new_id(), b"new")) == destroyed
    bob = await keys.find("demo", "user:bob")
    assert bob is not None
    assert bob.wrapped == b"of bob"


async def test_destroying_a_key_nobody_has_changes_nothing(keys: KeyTable) -> None:
    await keys.destroy("demo", "user:ana")

    assert await keys.find("demo", "user:ana") is None
