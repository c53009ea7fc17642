"""The Merkle tree of RFC 6962 (9162) over a stream of leaf hashes: roots, proofs, and checking them.

Proofs are made of the roots of ranges of leaves; `inclusion_ranges` and `consistency_ranges` say which, and
`RangeRoots` computes them in one pass. Hashes are SHA-256, 32 bytes each; sizes count leaves.
"""

import hashlib
from collections.abc import Sequence

HASH_BYTES = 32
SIZE_MAX = 2**63 - 1

_sha256 = hashlib.sha256


def leaf_hash(content: bytes) -> bytes:
    return _sha256(b"\x00" + content).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return _sha256(b"\x01" + left + right).digest()


class Frontier:
    """A tree that only grows, kept as the roots of its complete subtrees: one a bit of its size."""

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        """`ValueError` if so many peaks do not make a tree of that size."""
        if len(peaks) != size.bit_count() or any(len(peak) != HASH_BYTES for peak in peaks):
            raise ValueError(f"{len(peaks)} hashes are no tree of {size} leaves")
        self.size = size
        self.peaks = list(peaks)
        """The largest subtree first."""

    def append(self, leaf: bytes) -> None:
        peaks, bits = self.peaks, self.size
        while bits & 1:
            leaf = _sha256(b"\x01" + peaks.pop() + leaf).digest()
            bits >>= 1
        peaks.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        if not self.peaks:
            return _sha256().digest()
        *larger, root = self.peaks
        for peak in reversed(larger):
            root = node_hash(peak, root)
        return root

    def copy(self) -> "Frontier":
        return Frontier(self.size, self.peaks)


def inclusion_ranges(index: int, size: int) -> list[range]:
    """The ranges of leaves whose roots prove that the leaf at `index`, from 0, is in a tree of `size`."""
    ranges, start = [], 0
    while size > 1:
        left = _left(size)
        if index < left:
            ranges.append(range(start + left, start + size))
            size = left
        else:
            ranges.append(range(start, start + left))
            start, index, size = start + left, index - left, size - left
    return ranges[::-1]


def consistency_ranges(old: int, new: int) -> list[range]:
    """The ranges whose roots prove that a tree of `new` leaves begins with one of `old`, at least 1."""
    ranges, start = [], 0
    while old != new:
        left = _left(new)
        if old <= left:
            ranges.append(range(start + left, start + new))
            new = left
        else:
            ranges.append(range(start, start + left))
            start, old, new = start + left, old - left, new - left
    if start:
        ranges.append(range(start, start + new))
    return ranges[::-1]


class RangeRoots:
    """The root of each of some ranges, none of which overlap, of leaves that come one by one."""

    def __init__(self, ranges: Sequence[range]) -> None:
        self._trees = {one: Frontier() for one in ranges}
        self._ahead = iter(sorted(ranges, key=lambda one: one.start))
        self._current = next(self._ahead, range(0))
        self._index = 0

    def append(self, leaf: bytes) -> None:
        """The next leaf; the first has index 0."""
        if self._index >= self._current.stop:
            self._current = next(self._ahead, range(0))
        if self._index in self._current:
            self._trees[self._current].append(leaf)
        self._index += 1

    def roots(self) -> list[bytes]:
        """In the order in which the ranges were given."""
        return [tree.root() for tree in self._trees.values()]


def root_by_path(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root that an inclusion proof leads to; None if it is no proof for such a tree."""
    if not 0 <= index < size <= SIZE_MAX or not _are_hashes(path):
        return None
    sides = []
    while size > 1:
        left = _left(size)
        is_left = index < left
        sides.append(is_left)
        index, size = (index, left) if is_left else (index - left, size - left)
    if len(path) != len(sides):
        return None
    root = leaf
    for is_left, other in zip(reversed(sides), path, strict=True):
        root = node_hash(root, other) if is_left else node_hash(other, root)
    return root


def is_consistent(
    old: int, old_root: bytes, new: int, new_root: bytes, path: Sequence[bytes]
) -> bool:
    """Whether a consistency proof shows that the new tree begins with the old one."""
    if not 1 <= old <= new <= SIZE_MAX or not _are_hashes(path):
        return False
    sides, is_whole = [], True
    while old != new:
        left = _left(new)
        is_left = old <= left
        sides.append(is_left)
        is_whole = is_whole and is_left
        old, new = (old, left) if is_left else (old - left, new - left)
    first, *others = (old_root, *path) if is_whole else (path or (b"",))
    if len(others) != len(sides):
        return False
    before = after = first
    for is_left, other in zip(reversed(sides), others, strict=True):
        if is_left:
            after = node_hash(after, other)
        else:
            before, after = node_hash(other, before), node_hash(other, after)
    return (before, after) == (old_root, new_root)


def _are_hashes(path: Sequence[bytes]) -> bool:
    return all(len(one) == HASH_BYTES for one in path)


def _left(size: int) -> int:
    """How many leaves of a tree of 2 or more are left: the largest power of two below its size."""
    return 1 << ((size - 1).bit_length() - 1)
