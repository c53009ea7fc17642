"""The border of the log: events to exact, sealed JSON bytes, and back to opened events in their present shape.

A stored field is its plain JSON, or a reference: to sealed bytes if it is personal, to a blob if it is large.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

import msgspec

from aigestion.events.catalog import Catalog
from aigestion.events.event import Event, tags_of
from aigestion.events.recorded import Recorded
from aigestion.events.sealed_field import SealedField, sealed_fields_of
from aigestion.eventstore.exact_json import encode_exactly
from aigestion.eventstore.port import BlobStore, NewEvent, SequencedEvent
from aigestion.eventstore.references import (
    blob_hash_in,
    blob_reference,
    may_hold_blobs,
    sealed_in,
    sealed_reference,
)
from aigestion.eventstore.vault import OpenedKey, Vault, framed
from aigestion.kernel.context import Context
from aigestion.kernel.errors import Corrupt, UnknownEvent
from aigestion.kernel.query import scoped_tag

INLINE_FIELD_BYTES_MAX = 32 * 1024
"""A field whose JSON is longer goes to the blob store."""

_NULL = b"null"
_EVENT_ID_LENGTH = (16).to_bytes(4, "big")
_MISSHAPEN = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_fields_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Codec:
    """Seals events for the log and opens what stands in it.

    Neither waits for anything when the keys are cached and no field is large.
    """

    def __init__(self, catalog: Catalog, vault: Vault, blobs: BlobStore) -> None:
        self._catalog = catalog
        self._vault = vault
        self._blobs = blobs
        self._shapes: dict[tuple[str, int], _StoredShape] = {}

    async def seal(
        self,
        event: Event,
        context: Context,
        *,
        event_id: UUID,
        occurred_at: datetime,
        extra_tags: Sequence[str] = (),
    ) -> NewEvent:
        """The event as the log takes it.

        `InvalidInput` names a field that JSON or Postgres cannot hold; `SubjectErased` if a personal field
        is of a subject that was erased.
        """
        shape = _written_shape(type(event))
        values = [encode_exactly(name, getattr(event, name)) for name in shape.names]
        for at, subject_at, field in shape.sealed:
            if values[at] != _NULL:
                subject = _subject(field, values[subject_at])
                key = await self._vault.key_to_seal(context.tenant, subject)
                sealed = key.seal(values[at], _place(event_id, event.stored_as, field.name))
                values[at] = await self._sealed_value(sealed)
        for at in shape.plain:
            value = values[at]
            if len(value) > INLINE_FIELD_BYTES_MAX or blob_hash_in(value):
                values[at] = blob_reference(await self._blobs.put(value))
        return NewEvent(
            id=event_id,
            type=event.stored_as,
            schema_version=event.version,
            tags=tuple([scoped_tag(context.tenant, tag) for tag in (*tags_of(event), *extra_tags)]),
            tenant=context.tenant,
            actor=context.actor,
            correlation_id=context.correlation_id,
            causation_id=context.causation_id,
            occurred_at=occurred_at,
            data=shape.template % tuple(values),
        )

    async def open(self, stored: SequencedEvent) -> Recorded[Any]:
        """The event as readers get it: opened, whole, in its present shape.

        Both errors name the position: `UnknownEvent` for a type or version this program does not
        know, `Corrupt` for bytes that are not what was written.
        """
        event = stored.event
        erased: tuple[str, ...] = ()
        try:
            shape = self._shapes.get((event.type, event.schema_version)) or self._shape(event)
            holds_blobs = may_hold_blobs(event.data)
            if shape.is_plain and not holds_blobs:
                data = shape.decode(event.data)
            else:
                data, erased = await self._opened(event, shape, holds_blobs=holds_blobs)
        except _MISSHAPEN as error:
            raise Corrupt(
                f"An event does not have the shape of its type: {error} ({_where(stored)})",
                position=stored.position,
            ) from error
        except (Corrupt, UnknownEvent) as error:
            details = {**error.details, "position": stored.position}
            raise type(error)(f"{error.message} ({_where(stored)})", **details) from error
        prefix = len(event.tenant) + 1  # as `unscoped_tag`, for every tag there is
        return Recorded(
            position=stored.position,
            id=event.id,
            type=event.type,
            schema_version=event.schema_version,
            tags=tuple([tag[prefix:] for tag in event.tags]),
            tenant=event.tenant,
            actor=event.actor,
            correlation_id=event.correlation_id,
            causation_id=event.causation_id,
            occurred_at=event.occurred_at,
            recorded_at=stored.recorded_at,
            data=data,
            erased=erased,
        )

    def check_known(self, stored: SequencedEvent) -> None:
        """Raise as `open` does, `UnknownEvent`, for an event of which nothing but the type matters."""
        event = stored.event
        try:
            if (event.type, event.schema_version) not in self._shapes:
                self._shape(event)
        except UnknownEvent as error:
            raise UnknownEvent(
                f"{error.message} ({_where(stored)})", position=stored.position
            ) from error

    async def _opened(
        self, event: NewEvent, shape: "_StoredShape", *, holds_blobs: bool
    ) -> tuple[Event, tuple[str, ...]]:
        """An event of which something is sealed, a blob or of an older shape; and what of it is erased."""
        fields = _fields_decoder.decode(event.data)
        erased = []
        for sealed in shape.sealed:
            value = bytes(fields.get(sealed.name, _NULL))
            if value == _NULL:
                continue
            if holds_blobs and (content_hash := blob_hash_in(value)):
                value = await self._blobs.get(content_hash)
            else:
                value = sealed_in(value)
            subject = _subject(sealed, fields.get(sealed.subject_field, _NULL))
            whose = (event.tenant, subject, value)
            key = self._vault.key_at_hand(*whose) or await self._vault.key_to_open(*whose)
            if isinstance(key, OpenedKey):
                opened = key.open(value, _place(event.id, event.type, sealed.name))
            else:
                opened = msgspec.json.encode(sealed.erased)
                erased.append(sealed.name)
            fields[sealed.name] = msgspec.Raw(opened)
        if holds_blobs:
            for name in fields.keys() - {one.name for one in shape.sealed}:
                if content_hash := blob_hash_in(bytes(fields[name])):
                    fields[name] = msgspec.Raw(await self._blobs.get(content_hash))
        data = msgspec.json.encode(fields)
        if not shape.is_present:
            older = msgspec.json.decode(data)
            present = self._catalog.upcast(event.type, event.schema_version, older)
            data = msgspec.json.encode(present)
        return shape.decode(data), tuple(erased)

    def _shape(self, event: NewEvent) -> "_StoredShape":
        """What an event of this type and version is; remembered, for it is asked of every event."""
        of = (event.type, event.schema_version)
        event_class = self._catalog.event_class(*of)
        sealed = self._catalog.sealed_fields(*of)
        is_present = event.schema_version == event_class.version
        shape = _StoredShape(
            decode=msgspec.json.Decoder(event_class).decode,
            sealed=sealed,
            is_present=is_present,
            is_plain=is_present and not sealed,
        )
        self._shapes[of] = shape
        return shape

    async def _sealed_value(self, sealed: bytes) -> bytes:
        reference = sealed_reference(sealed)
        if len(reference) <= INLINE_FIELD_BYTES_MAX:
            return reference
        return blob_reference(await self._blobs.put(sealed))


class _StoredShape(msgspec.Struct, frozen=True):
    """How events of a type and version are read: worked out once."""

    decode: Callable[[bytes], Event]
    """Of JSON in the present shape."""
    sealed: tuple[SealedField, ...]
    is_present: bool
    is_plain: bool
    """Present, and nothing of it sealed."""


class _WrittenShape(msgspec.Struct, frozen=True):
    """How an event class is written: worked out once."""

    names: tuple[str, ...]
    template: bytes
    """The JSON object with a `%b` for each value, in the order of `names`."""
    sealed: tuple[tuple[int, int, SealedField], ...]
    """The index of the field and of its subject's field in `names`, and the field."""
    plain: tuple[int, ...]


@cache
def _written_shape(event: type[Event]) -> _WrittenShape:
    fields = msgspec.structs.fields(event)
    names = tuple(field.name for field in fields)
    sealed = tuple(
        (names.index(one.name), names.index(one.subject_field), one)
        for one in sealed_fields_of(event)
    )
    members = (msgspec.json.encode(name) + b":%b" for name in names)
    return _WrittenShape(
        names=names,
        template=b"{" + b",".join(members) + b"}",
        sealed=sealed,
        plain=tuple(set(range(len(names))) - {at for at, _, _ in sealed}),
    )


def _where(stored: SequencedEvent) -> str:
    return f"{stored.event.type} at position {stored.position}"


def _subject(field: SealedField, value: bytes | msgspec.Raw) -> str:
    """Whose field it is, read off the stored JSON: the same when it is sealed and when it is opened."""
    return f"{field.subject_kind}:{msgspec.json.decode(value)}"


def _place(event_id: UUID, stored_as: str, field: str) -> bytes:
    """Where a sealed value belongs: moved to another event or field, it does not open."""
    return _EVENT_ID_LENGTH + event_id.bytes + _named(stored_as, field)


@cache
def _named(stored_as: str, field: str) -> bytes:
    return framed(stored_as.encode(), field.encode())
