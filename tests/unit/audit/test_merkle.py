"""The tree against the vectors of Certificate Transparency, and against the definition of RFC 6962."""

import hashlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigestion.audit.merkle import (
    Frontier,
    RangeRoots,
    consistency_ranges,
    inclusion_ranges,
    is_consistent,
    leaf_hash,
    root_by_path,
)

# The leaves, roots and proofs that Certificate Transparency has been tested with from its beginning.
LEAVES = [
    leaf_hash(bytes.fromhex(content))
    for content in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]  # fmt: skip
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
INCLUDED = [
    (0, 8, ["96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"]),
    (5, 8, ["bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"]),
    (2, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
]  # fmt: skip
CONSISTENT = [
    (1, 1, []),
    (6, 8, ["0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"]),
    (2, 5, ["5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"]),
]  # fmt: skip


def tree(leaves: list[bytes]) -> Frontier:
    frontier = Frontier()
    for leaf in leaves:
        frontier.append(leaf)
    return frontier


def roots(ranges: list[range], leaves: list[bytes]) -> list[bytes]:
    collected = RangeRoots(ranges)
    for leaf in leaves:
        collected.append(leaf)
    return collected.roots()


def by_definition(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962, section 2.1, over leaf hashes."""
    if len(leaves) < 2:
        return leaves[0] if leaves else hashlib.sha256().digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + by_definition(leaves[:k]) + by_definition(leaves[k:])).digest()


@pytest.mark.parametrize("size", range(9))
def test_roots_are_those_of_certificate_transparency(size: int) -> None:
    assert tree(LEAVES[:size]).root().hex() == ROOTS[size]


@pytest.mark.parametrize(("index", "size", "path"), INCLUDED)
def test_inclusion_proofs_are_those_of_certificate_transparency(
    index: int, size: int, path: list[str]
) -> None:
    made = roots(inclusion_ranges(index, size), LEAVES[:size])

    assert [one.hex() for one in made] == path
    root = root_by_path(LEAVES[index], index, size, made)
    assert root is not None
    assert root.hex() == ROOTS[size]


@pytest.mark.parametrize(("old", "new", "path"), CONSISTENT)
def test_consistency_proofs_are_those_of_certificate_transparency(
    old: int, new: int, path: list[str]
) -> None:
    made = roots(consistency_ranges(old, new), LEAVES[:new])

    assert [one.hex() for one in made] == path
    assert is_consistent(old, bytes.fromhex(ROOTS[old]), new, bytes.fromhex(ROOTS[new]), made)


hashes = st.binary(min_size=1, max_size=4).map(leaf_hash)
trees = st.lists(hashes, min_size=1, max_size=70)


@given(trees)
def test_a_tree_that_grows_has_the_root_of_the_definition(leaves: list[bytes]) -> None:
    frontier = Frontier()
    for size, leaf in enumerate(leaves, start=1):
        frontier.append(leaf)
        assert frontier.root() == by_definition(leaves[:size])
        assert Frontier(frontier.size, frontier.peaks).root() == frontier.root()


@given(trees, st.data())
def test_a_leaf_is_proved_in_its_place_and_nowhere_else(
    leaves: list[bytes], data: st.DataObject
) -> None:
    size = len(leaves)
    index = data.draw(st.integers(0, size - 1))
    root = by_definition(leaves)
    path = roots(inclusion_ranges(index, size), leaves)

    assert root_by_path(leaves[index], index, size, path) == root
    assert root_by_path(leaf_hash(b"other"), index, size, path) != root
    assert root_by_path(leaves[index], index, size, [*path, root]) is None
    assert root_by_path(leaves[index], size, size, path) is None
    if path:
        assert root_by_path(leaves[index], index, size, path[:-1]) is None
        wrong = [path[0][::-1], *path[1:]]
        assert (root_by_path(leaves[index], index, size, wrong) == root) == (wrong == path)


@given(trees, st.data())
def test_a_tree_is_proved_to_begin_with_an_older_one(
    leaves: list[bytes], data: st.DataObject
) -> None:
    old = data.draw(st.integers(1, len(leaves)))
    before, after = by_definition(leaves[:old]), by_definition(leaves)
    path = roots(consistency_ranges(old, len(leaves)), leaves)

    assert is_consistent(old, before, len(leaves), after, path)
    assert not is_consistent(old, after[::-1], len(leaves), after, path)
    assert not is_consistent(old, before, len(leaves), before[::-1], path)
    assert not is_consistent(old, before, len(leaves), after, [*path, after])
    if path:
        assert not is_consistent(old, before, len(leaves), after, path[:-1])
        assert not is_consistent(old, before, len(leaves), after, [])


@given(st.integers(1, 2**40), st.data())
def test_proofs_stay_short(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))

    ranges = sorted(inclusion_ranges(index, size), key=lambda one: one.start)

    assert len(ranges) <= 41
    assert sum(map(len, ranges)) == size - 1
    assert all(one.stop in (two.start, two.start - 1) for one, two in pairwise(ranges))


def test_peaks_that_make_no_tree_are_refused() -> None:
    with pytest.raises(ValueError, match="no tree"):
        Frontier(3, [LEAVES[0]])
    with pytest.raises(ValueError, match="no tree"):
        Frontier(1, [b"short"])


def test_absurd_claims_are_no_proof() -> None:
    assert root_by_path(LEAVES[0], -1, 1, []) is None
    assert root_by_path(LEAVES[0], 0, 2**64, []) is None
    assert root_by_path(LEAVES[0], 0, 2, [b"short"]) is None
    assert not is_consistent(1, LEAVES[0], 2, LEAVES[0], [b"short"])
    assert not is_consistent(0, LEAVES[0], 1, LEAVES[0], [])
    assert not is_consistent(2, LEAVES[0], 1, LEAVES[0], [])
