"""The leaf of an event: the hash of its bytes as they are stored, sealed fields still sealed (ADR 31).

The bytes never change their meaning: a hash that was signed is signed for ever. They are, big-endian:

    1 byte      version of this layout, 1
    8 bytes     position, signed
    8 bytes     recorded at, in microseconds since 1970 UTC, signed
    8 bytes     occurred at, likewise
    16 bytes    id
    16 bytes    correlation id
    1 byte      1 if there is a causation id, else 0
    16 bytes    causation id, else zeros
    4 bytes     schema version, signed
    5 × 4 bytes lengths in bytes of type, tenant, actor and data; the number of tags
    …           type, tenant, actor, data; texts in UTF-8
    …           for each tag, in order: 4 bytes length, the tag in UTF-8
"""

import struct
from datetime import UTC, datetime

from aigestion.audit.merkle import leaf_hash
from aigestion.eventstore.port import SequencedEvent

LAYOUT = 1

_HEAD = struct.Struct(">Bqqq16s16sB16siIIIII").pack
_LENGTH = struct.Struct(">I").pack
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NO_ID = bytes(16)


def leaf_of(stored: SequencedEvent) -> bytes:
    """The leaf hash of an event: 32 bytes."""
    return leaf_hash(canonical(stored))


def canonical(stored: SequencedEvent) -> bytes:
    """An event as the bytes that are hashed: two that differ in anything have different ones."""
    event = stored.event
    cause = event.causation_id
    type_, tenant, actor = event.type.encode(), event.tenant.encode(), event.actor.encode()
    head = _HEAD(
        LAYOUT,
        stored.position,
        _microseconds(stored.recorded_at),
        _microseconds(event.occurred_at),
        event.id.bytes,
        event.correlation_id.bytes,
        cause is not None,
        _NO_ID if cause is None else cause.bytes,
        event.schema_version,
        len(type_),
        len(tenant),
        len(actor),
        len(event.data),
        len(event.tags),
    )
    parts = [head, type_, tenant, actor, event.data]
    for tag in event.tags:
        text = tag.encode()
        parts += (_LENGTH(len(text)), text)
    return b"".join(parts)


def _microseconds(moment: datetime) -> int:
    if moment.tzinfo is None:  # what asyncpg makes of Postgres' infinity
        moment = moment.replace(tzinfo=UTC)
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
