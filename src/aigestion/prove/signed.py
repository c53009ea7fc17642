"""The log against its signed checkpoints, in a way of its own: hashes by SQL, roots by definition (P8)."""

import asyncio
import base64
import hashlib
from collections.abc import Iterator

import asyncpg
import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from aigestion.prove.system import System

SIGNED_SECONDS_MAX = 30.0
"""Three times as long as an event may wait for its checkpoint."""
POLL_SECONDS = 0.5


class Note(msgspec.Struct, frozen=True):
    """One row of the checkpoints."""

    size: int
    root: bytes
    note: str


class Signed(msgspec.Struct, kw_only=True):
    """What was signed, and what the log is now."""

    leaves: list[bytes]
    """The hash of every event, in order of position."""
    notes: list[Note]
    """In order of size."""
    public_key: bytes


async def read_signed(system: System, head: int) -> Signed:
    """Read it once all is signed for, or after a while."""
    owner = await asyncpg.connect(system.postgres.owner_url)
    try:
        for _ in range(int(SIGNED_SECONDS_MAX / POLL_SECONDS)):
            if await owner.fetchval("SELECT max(size) FROM log.checkpoints") == head:
                break
            await asyncio.sleep(POLL_SECONDS)
        leaves = [row["leaf"] for row in await owner.fetch(_LEAVES)]
        notes = await owner.fetch("SELECT size, root, note FROM log.checkpoints ORDER BY size")
    finally:
        await owner.close()
    secret = await asyncio.to_thread(system.checkpoint_key.read_bytes)
    return Signed(
        leaves=leaves,
        notes=[Note(one["size"], one["root"], one["note"]) for one in notes],
        public_key=Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw(),
    )


def faults_of(signed: Signed) -> Iterator[tuple[str, int | None]]:
    """What does not hold, and the position up to which it should."""
    if not signed.notes:
        yield "there is no checkpoint", None
    elif signed.notes[-1].size < len(signed.leaves):
        told = f"the last checkpoint is of {signed.notes[-1].size} events, the log has {len(signed.leaves)}"
        yield told, signed.notes[-1].size
    for one in signed.notes:
        what = f"the checkpoint of {one.size} events"
        if not _is_signed(one, signed.public_key):
            yield f"{what} is not signed by the log's key", one.size
        if one.size > len(signed.leaves):
            yield f"{what} is of more than the log has", one.size
        elif _root(signed.leaves[: one.size]) != one.root:
            yield f"{what} is not what the log comes to", one.size


def _is_signed(one: Note, public_key: bytes) -> bool:
    """Whether the note says what the row says, and the key signed that."""
    text, _, signature = one.note.partition("\n\n")
    lines = text.split("\n")
    expected = [str(one.size), base64.b64encode(one.root).decode()]
    try:
        _, name, signed = signature.removesuffix("\n").split(" ")
        content = base64.b64decode(signed, validate=True)
        key = Ed25519PublicKey.from_public_bytes(public_key)
        key.verify(content[4:], f"{text}\n".encode())
    except (ValueError, InvalidSignature):
        return False
    named = hashlib.sha256(f"{name}\n".encode() + b"\x01" + public_key).digest()[:4]
    return lines == [name, *expected] and content[:4] == named


def _root(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, to the letter."""
    if len(leaves) == 1:
        return leaves[0]
    left = 1
    while left * 2 < len(leaves):
        left *= 2
    return hashlib.sha256(b"\x01" + _root(leaves[:left]) + _root(leaves[left:])).digest()


_LEAVES = r"""
SELECT sha256(
    '\x0001'::bytea
    || int8send(position)
    || int8send((extract(epoch FROM recorded_at) * 1000000)::bigint)
    || int8send((extract(epoch FROM occurred_at) * 1000000)::bigint)
    || uuid_send(id)
    || uuid_send(correlation_id)
    || CASE WHEN causation_id IS NULL THEN decode(repeat('00', 17), 'hex')
            ELSE '\x01'::bytea || uuid_send(causation_id) END
    || int4send(schema_version)
    || int4send(octet_length(type))
    || int4send(octet_length(tenant))
    || int4send(octet_length(actor))
    || int4send(octet_length(data))
    || int4send(cardinality(tags))
    || convert_to(type, 'UTF8')
    || convert_to(tenant, 'UTF8')
    || convert_to(actor, 'UTF8')
    || data
    || coalesce(
        (
            SELECT string_agg(int4send(octet_length(tag)) || convert_to(tag, 'UTF8'), '' ORDER BY number)
            FROM unnest(tags) WITH ORDINALITY AS one (tag, number)
        ),
        ''
    )
) AS leaf
FROM log.events
ORDER BY position
"""
