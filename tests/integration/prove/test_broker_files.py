"""Damage done to a broker that is down is there when it comes up again: what was aimed at, and no more."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import nats
import nats.js.errors
import pytest

from aigestion.embedded.datadir import DataDir
from aigestion.embedded.nats import EmbeddedNats
from aigestion.prove.broker_files import erase, flip_bit, records

MESSAGES = 20

Broken = Callable[[Callable[[Path], object]], Awaitable[dict[int, bytes]]]


@pytest.fixture
async def broken(tmp_path: Path) -> AsyncIterator[Broken]:
    """Does something to the files of a broker with 20 messages; gives what it holds after that."""
    data_dir = DataDir(tmp_path / "data")
    with data_dir.locked():
        broker = EmbeddedNats(data_dir)
        await broker.start()
        client = await nats.connect(broker.url("relay"))
        js = client.jetstream()
        await js.add_stream(name="EVENTS", subjects=["events.>"])
        for n in range(1, MESSAGES + 1):
            await js.publish("events.a.b", b"message %d" % n, headers={"n": str(n)})
        await client.close()

        async def broken(damage: Callable[[Path], object]) -> dict[int, bytes]:
            await broker.stop()
            await asyncio.to_thread(damage, data_dir.nats / "store")
            await broker.start()
            return await _held(broker.url("relay"))

        yield broken
        await broker.stop()


async def test_erased_messages_are_gone_and_the_others_are_not(broken: Broken) -> None:
    held = await broken(lambda store: erase(store, 5, 7))

    assert held == {n: b"message %d" % n for n in range(1, MESSAGES + 1) if n not in (5, 6, 7)}


async def test_the_end_may_be_erased(broken: Broken) -> None:
    held = await broken(lambda store: erase(store, MESSAGES, MESSAGES))

    assert list(held) == list(range(1, MESSAGES))


async def test_a_flipped_bit_loses_messages_and_falsifies_none(broken: Broken) -> None:
    def flip_in_data(store: Path) -> None:
        [block] = store.rglob("*.blk")
        offset, length, _ = list(records(block.read_bytes()))[MESSAGES // 2]
        assert flip_bit(store, (offset + length - 10) / block.stat().st_size)

    held = await broken(flip_in_data)

    assert len(held) < MESSAGES
    assert all(data == b"message %d" % n for n, data in held.items())


def test_where_there_is_no_block_nothing_is_broken(tmp_path: Path) -> None:
    assert not flip_bit(tmp_path, 0.5)
    assert erase(tmp_path, 1, 9) == 0
    assert list(records(b"\x03\x00\x00\x00 too short a record")) == []


async def _held(url: str) -> dict[int, bytes]:
    client = await nats.connect(url)
    js = client.jetstream()
    held = {}
    for n in range(1, MESSAGES + 1):
        try:
            held[n] = (await js.get_msg("EVENTS", seq=n)).data or b""
        except nats.js.errors.APIError:
            continue
    await client.close()
    return held
