"""The proof that one event is in the log that was signed: made from the log, checked without it."""

import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from uuid import UUID

import msgspec

from aigestion.audit.finding import Fault, Finding
from aigestion.audit.leaf import leaf_of
from aigestion.audit.merkle import (
    RangeRoots,
    consistency_ranges,
    inclusion_ranges,
    is_consistent,
    root_by_path,
)
from aigestion.audit.note import Checkpoint, PublicKey, opened
from aigestion.audit.opened_checkpoint import (
    OpenedCheckpoint,
    opened_checkpoint,
    stored_checkpoints,
)
from aigestion.eventstore.port import (
    CheckpointStore,
    EventStore,
    SequencedEvent,
    StoredCheckpoint,
)
from aigestion.kernel.errors import Corrupt, InvalidInput, NotFound


class Extension(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """That an earlier log, `size` events long, is the beginning of the one that was signed."""

    size: int
    path: list[bytes]


class Proof(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One event and what it takes to come from it to a signed root. Bytes are Base64 in JSON."""

    event: SequencedEvent
    """As it is stored: what is personal in it stays sealed."""
    path: list[bytes]
    """The audit path of RFC 6962; the leaf's index is the position less one."""
    checkpoint: str
    """The signed note."""
    extends: list[Extension] = []
    """For checkpoints that somebody has kept."""


async def prove(
    store: EventStore,
    checkpoints: CheckpointStore,
    keys: Sequence[PublicKey],
    event_id: UUID,
    kept: Sequence[Checkpoint] = (),
) -> Proof:
    """The proof by the last checkpoint, made from the hashes that all checkpoints list.

    `NotFound` for an event there is none of, or that no checkpoint covers yet; `InvalidInput` for a kept
    checkpoint of more events; `Corrupt` if the log is not the one that was signed.
    """
    stored = await store.find(event_id)
    if stored is None:
        raise NotFound(f"There is no event {event_id}.")
    last = await checkpoints.last()
    if last is None or last.size < stored.position:
        raise NotFound(
            f"The event at position {stored.position} is not signed for yet: a checkpoint follows within "
            "seconds where a notary runs."
        )
    size = _opened(last, keys).size
    if too_large := [one.size for one in kept if not 1 <= one.size <= size]:
        raise InvalidInput(f"The log has signed for {size} events, not for {too_large[0]}.")
    inclusion = RangeRoots(inclusion_ranges(stored.position - 1, size))
    extensions = {one.size: RangeRoots(consistency_ranges(one.size, size)) for one in kept}
    async for leaf in _signed_leaves(checkpoints, size, keys):
        for collected in (inclusion, *extensions.values()):
            collected.append(leaf)
    proof = Proof(
        event=stored,
        path=inclusion.roots(),
        checkpoint=last.note,
        extends=[Extension(size, one.roots()) for size, one in extensions.items()],
    )
    if (fault := _fault(proof, opened(last.note, keys), kept)) is not None:
        raise Corrupt(f"Position {fault.position} {fault.message}: see `aigestion audit verify`.")
    return proof


def decode_proof(content: bytes) -> Proof:
    """`InvalidInput` if it is none."""
    try:
        return msgspec.json.decode(content, type=Proof)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(f"This is no proof, or not the whole of one: {error}.") from error


def verify_proof(
    proof: Proof, keys: Sequence[PublicKey], kept: Sequence[Checkpoint] = ()
) -> Finding:
    """Check it without the log; `kept`: what it must extend. `Corrupt` if its checkpoint does not open."""
    try:
        checkpoint = opened(proof.checkpoint, keys)
    except Corrupt as error:
        raise Corrupt(f"The proof's checkpoint does not hold: {error.message}.") from error
    note = f"position {proof.event.position} of {checkpoint.size}, {checkpoint.origin}"
    fault = _fault(proof, checkpoint, kept)
    return Finding(check="proof", checked=1, unit="event", note=note, fault=fault)


def _fault(proof: Proof, checkpoint: Checkpoint, kept: Sequence[Checkpoint]) -> Fault | None:
    position, size, root = proof.event.position, checkpoint.size, checkpoint.root
    try:
        leaf = leaf_of(proof.event)
    except (ValueError, TypeError, struct.error) as error:  # what no log holds
        return Fault(position, f"is no event of a log: {error}")
    if root_by_path(leaf, position - 1, size, proof.path) != root:
        return Fault(position, "is not proved: its hash does not lead to the root that was signed")
    paths = {one.size: one.path for one in proof.extends}
    for one in kept:
        path = paths.get(one.size)
        if path is None:
            told = (
                f"is proved, but not that the log extends the kept checkpoint of {one.size} events"
            )
            return Fault(position, told)
        if one.origin != checkpoint.origin or not is_consistent(
            one.size, one.root, size, root, path
        ):
            told = f"is in a log that does not begin with the {one.size} events that were kept"
            return Fault(position, told)
    return None


async def _signed_leaves(
    checkpoints: CheckpointStore, upto: int, keys: Sequence[PublicKey]
) -> AsyncIterator[bytes]:
    """The hash of every event as the checkpoints list it, each once. What they come to is not checked here."""
    size = 0
    async with aclosing(stored_checkpoints(checkpoints)) as found:
        async for stored in found:
            one = _opened(stored, keys)
            if one.first > size + 1:
                break
            for leaf in one.leaves[size + 1 - one.first :]:
                yield leaf
            size = one.size
            if size == upto:
                return
    raise Corrupt(f"No checkpoint lists the hash of position {size + 1}.")


def _opened(stored: StoredCheckpoint, keys: Sequence[PublicKey]) -> OpenedCheckpoint:
    try:
        return opened_checkpoint(stored, keys)
    except Corrupt as error:
        raise Corrupt(
            f"The checkpoint of {stored.size} events does not hold: {error.message}."
        ) from error
