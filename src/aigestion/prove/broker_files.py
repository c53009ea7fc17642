"""Damage to the broker's files while it is down: messages erased, a bit flipped.

JetStream's block files are records one after the other, little-endian: length (4 bytes, the highest bit
set if there are headers), sequence (8, one of the two highest bits set if it is no message), and the rest.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_HEAD = struct.Struct("<IQ")
_HAS_HEADERS = 1 << 31
_NOT_A_MESSAGE = 3 << 62
"""Erased, or the tombstone of one that was."""


class Record(NamedTuple):
    """One message in a block."""

    offset: int
    length: int
    sequence: int


def records(block: bytes) -> Iterator[Record]:
    """The messages of a block, in order, without those that are erased."""
    offset = 0
    while offset + _HEAD.size <= len(block):
        length, sequence = _HEAD.unpack_from(block, offset)
        length &= ~_HAS_HEADERS
        if length < _HEAD.size or offset + length > len(block):
            return
        if not sequence & _NOT_A_MESSAGE:
            yield Record(offset, length, sequence)
        offset += length


def erase(store: Path, first: int, last: int) -> int:
    """Take these sequences out, as when the broker compacts what was deleted; how many there were.

    At the end of the stream that cuts it off; in the middle it leaves a hole.
    """
    found = 0
    for path in _blocks(store):
        block = path.read_bytes()
        gone = [one for one in records(block) if first <= one.sequence <= last]
        for offset, length, _ in reversed(gone):
            block = block[:offset] + block[offset + length :]
        path.write_bytes(block)
        found += len(gone)
    # What the broker remembers of its blocks is wrong now: it looks itself where that is missing.
    for index in store.rglob("index.db"):
        index.unlink()
    return found


def flip_bit(store: Path, pick: float) -> bool:
    """Flip the one bit of all blocks that `pick`, 0 to 1, chooses; False if there is none."""
    blocks = [path for path in _blocks(store) if path.stat().st_size]
    bits = 8 * sum(path.stat().st_size for path in blocks)
    at = int(pick * bits)
    for path in blocks:
        size = 8 * path.stat().st_size
        if at < size:
            with path.open("r+b") as file:
                file.seek(at // 8)
                [byte] = file.read(1)
                file.seek(at // 8)
                file.write(bytes([byte ^ (1 << at % 8)]))
            return True
        at -= size
    return False


def _blocks(store: Path) -> list[Path]:
    return sorted(store.rglob("EVENTS/msgs/*.blk"), key=lambda path: int(path.stem))
