"""A stored checkpoint opened: signed by a known key, and nothing beside its note says something else."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from aigestion.audit.merkle import HASH_BYTES, Frontier
from aigestion.audit.note import PublicKey, opened
from aigestion.eventstore.port import CheckpointStore, StoredCheckpoint
from aigestion.kernel.errors import Corrupt

PAGE_CHECKPOINTS_MAX = 20
"""Read at a time: each has up to 32 KiB of hashes."""


@dataclass(frozen=True)
class OpenedCheckpoint:
    """A checkpoint to be believed, as far as its key is."""

    tree: Frontier
    """As it was when it was signed."""
    leaves: list[bytes]
    """The hashes of its last events, as it lists them: whether they come to its root is still to be seen."""

    @property
    def size(self) -> int:
        return self.tree.size

    @property
    def first(self) -> int:
        """The position of the first of `leaves`."""
        return self.size - len(self.leaves) + 1


def opened_checkpoint(stored: StoredCheckpoint, keys: Sequence[PublicKey]) -> OpenedCheckpoint:
    """`Corrupt` says what is wrong with it."""
    checkpoint = opened(stored.note, keys)
    if (checkpoint.size, checkpoint.root) != (stored.size, stored.root):
        raise Corrupt("its note is that of another checkpoint")
    leaves = hashes_in(stored.leaves)
    try:
        tree = Frontier(stored.size, hashes_in(stored.peaks))
    except ValueError as error:
        raise Corrupt("its subtrees are no tree of its size") from error
    if tree.root() != stored.root or len(leaves) > stored.size:
        raise Corrupt("its subtrees do not come to its root")
    return OpenedCheckpoint(tree, leaves)


async def stored_checkpoints(
    checkpoints: CheckpointStore,
) -> AsyncGenerator[StoredCheckpoint, None]:
    """Every stored checkpoint in order of size, a page at a time."""
    size = 0
    while page := await checkpoints.read(after=size, limit=PAGE_CHECKPOINTS_MAX):
        for stored in page:
            yield stored
        size = page[-1].size


def hashes_in(content: bytes) -> list[bytes]:
    """Hashes one after the other, taken apart."""
    return [content[at : at + HASH_BYTES] for at in range(0, len(content), HASH_BYTES)]
