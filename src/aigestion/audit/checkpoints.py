"""The log against its checkpoints: one tree over all events that are read, compared wherever one was signed."""

from collections.abc import Sequence

from aigestion.audit.finding import Fault, Finding
from aigestion.audit.leaf import leaf_of
from aigestion.audit.merkle import Frontier
from aigestion.audit.note import Checkpoint, PublicKey
from aigestion.audit.opened_checkpoint import (
    PAGE_CHECKPOINTS_MAX,
    OpenedCheckpoint,
    opened_checkpoint,
)
from aigestion.eventstore.port import CheckpointStore, EventStore, SequencedEvent, StoredCheckpoint
from aigestion.kernel.errors import Corrupt


class AgainstCheckpoints:
    """Is shown the log page by page, from position 1 on, and then says what it found."""

    def __init__(
        self,
        checkpoints: CheckpointStore,
        keys: Sequence[PublicKey],
        elsewhere: Sequence[Checkpoint] = (),
    ) -> None:
        """`elsewhere`: checkpoints that were kept outside of the database, opened.

        Without keys, nothing is compared.
        """
        self._checkpoints = checkpoints
        self._keys = keys
        self._elsewhere = sorted(elsewhere, key=lambda one: one.size)
        self._elsewhere_good = 0
        """The size of the last of those that was right."""
        self._ahead: list[StoredCheckpoint] = []
        self._next: OpenedCheckpoint | None = None
        self._tree = Frontier()
        self._good = Frontier()
        """The tree at the last stored checkpoint that was right."""
        self._leaves: list[bytes] = []
        """Those behind it: `_next` lists them too."""
        self._compared = 0
        self._fault: Fault | None = None

    async def begin(self) -> None:
        """Before the first page."""
        await self._look_ahead(after=0)

    async def see(self, page: Sequence[SequencedEvent]) -> None:
        """The next events. What comes after a hole, or after the first fault, is not looked at."""
        for stored in page:
            if self._fault is not None or stored.position != self._tree.size + 1:
                return
            leaf = leaf_of(stored)
            self._tree.append(leaf)
            if self._next is not None:
                self._leaves.append(leaf)
                if stored.position == self._next.size:
                    await self._compare(self._next)
            while self._elsewhere and self._elsewhere[0].size == stored.position:
                self._compare_elsewhere(self._elsewhere.pop(0))

    async def finding(self, store: EventStore, head: int) -> Finding:
        """What it came to. `head`: the position that the log was read to, unless it has a fault."""
        if not self._keys:
            last = await self._checkpoints.last()
            note = "none" if last is None else "not compared: whose key signs them is not known"
            return Finding(check="checkpoints", checked=0, unit="checkpoints", note=note)
        fault = self._fault or self._of_what_is_left() or await self._of_the_end(store, head)
        return Finding(
            check="checkpoints",
            checked=self._compared,
            unit="checkpoints",
            note=self._note(),
            fault=fault,
        )

    async def _look_ahead(self, after: int) -> None:
        """Open the next stored checkpoint. One that does not open signs for nothing it covers."""
        self._next, self._leaves = None, []
        if self._keys and not self._ahead:
            limit = PAGE_CHECKPOINTS_MAX
            self._ahead = await self._checkpoints.read(after=after, limit=limit)
        if not self._ahead:
            return
        stored = self._ahead.pop(0)
        of = f"begins what nothing signs for: the checkpoint of {stored.size} events"
        try:
            self._next = opened_checkpoint(stored, self._keys)
        except Corrupt as error:
            self._fault = Fault(after + 1, f"{of} does not hold: {error.message}")
            return
        if self._next.first > after + 1:
            told = f"{of} lists hashes from position {self._next.first} on only"
            self._fault = Fault(after + 1, told)

    async def _compare(self, checkpoint: OpenedCheckpoint) -> None:
        """The tree is as large as the next checkpoint."""
        if self._tree.root() != checkpoint.tree.root():
            self._fault = self._differing(checkpoint)
        elif (at := _first_difference(self._leaves, self._listed(checkpoint))) is not None:
            position = self._tree.size - len(self._leaves) + 1 + at
            of = f"the checkpoint of {checkpoint.size} events"
            self._fault = Fault(position, f"is the one that was signed for, but {of} lists another")
        else:
            self._good = self._tree.copy()
            self._compared += 1
            await self._look_ahead(after=checkpoint.size)

    def _compare_elsewhere(self, checkpoint: Checkpoint) -> None:
        if self._tree.root() == checkpoint.root:
            self._elsewhere_good = checkpoint.size
            self._compared += 1
        elif self._fault is None:
            self._fault = Fault(
                self._elsewhere_good + 1,
                f"or a later one up to {checkpoint.size} is not what it was when the checkpoint of "
                f"{checkpoint.size} events was signed that was kept elsewhere",
            )

    def _of_what_is_left(self) -> Fault | None:
        """The next checkpoint lies beyond what was read, and lists events that were read."""
        if self._next is None:
            return None
        listed = self._listed(self._next)[: len(self._leaves)]
        is_same = _first_difference(self._leaves, listed) is None
        return None if is_same else self._differing(self._next)

    def _differing(self, checkpoint: OpenedCheckpoint) -> Fault:
        """Which event is not the one of the checkpoint; exactly, if the hashes it lists are those it signs."""
        of = f"the checkpoint of {checkpoint.size} events"
        listed = self._listed(checkpoint)
        signed = self._good.copy()
        for leaf in listed:
            signed.append(leaf)
        at = _first_difference(self._leaves, listed)
        if at is not None and signed.root() == checkpoint.tree.root():
            return Fault(self._good.size + 1 + at, f"is not the event that {of} signs for")
        return Fault(
            self._good.size + 1,
            f"or a later one up to {checkpoint.size} is not the event that {of} signs for",
        )

    def _listed(self, checkpoint: OpenedCheckpoint) -> list[bytes]:
        """The hashes it lists of events that are not compared yet."""
        return checkpoint.leaves[max(0, self._good.size + 1 - checkpoint.first) :]

    async def _of_the_end(self, store: EventStore, head: int) -> Fault | None:
        """Something was signed that the log does not have. It may grow meanwhile: its head is read again."""
        if self._tree.size != head:
            return None  # the log itself has a fault, and that is told
        if self._elsewhere:
            size = self._elsewhere[0].size
            return Fault(head + 1, f"is missing: a checkpoint of {size} events was kept elsewhere")
        if self._next is not None and self._next.size > await store.head():
            told = f"is missing: there is a checkpoint of {self._next.size} events"
            return Fault(head + 1, told)
        return None

    def _note(self) -> str | None:
        signed = max(self._good.size, self._elsewhere_good)
        if signed == self._tree.size:
            return None
        return f"positions {signed + 1} to {self._tree.size} are not signed for"


def _first_difference(found: Sequence[bytes], expected: Sequence[bytes]) -> int | None:
    """The index of the first hash that differs, or that one of the two lacks."""
    if list(found) == list(expected):
        return None
    differing = (n for n, (a, b) in enumerate(zip(found, expected, strict=False)) if a != b)
    return next(differing, min(len(found), len(expected)))
