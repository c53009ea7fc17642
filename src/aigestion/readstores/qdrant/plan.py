"""What changes come to: the points to embed, to write, to delete; what stays as it is costs nothing."""

from collections.abc import Iterable

import msgspec

from aigestion.readstores.batches import Deletes, DeletesWhere, Puts, batches
from aigestion.readstores.port import Change
from aigestion.readstores.qdrant.points import (
    COLLECTION,
    MODEL,
    Payload,
    embedded_text,
    fields_of,
    payload_of,
    point_id,
)
from aigestion.readstores.qdrant.shard import Shard


class Plan(msgspec.Struct, frozen=True):
    """All by point id. Carried out in any order and any number of times, the outcome is the same."""

    embed: dict[str, tuple[Payload, str]]
    """Points that need a vector, with the text it is made from."""
    write: dict[str, Payload]
    """Points that are new or changed and have no text."""
    overwrite: dict[str, Payload]
    """Points whose vector still fits."""
    delete: list[str]

    @property
    def points(self) -> int:
        return len(self.embed) + len(self.write) + len(self.overwrite) + len(self.delete)


def plan(shard: Shard, changes: Iterable[Change], model: str) -> Plan:
    """Work out the end of it all first: a passage that is taken away and put back is not embedded anew."""
    fold = _Fold(shard)
    for collection, batch in batches(changes):
        match batch:
            case Puts(rows):
                fold.look_up([point_id(collection, key) for key in rows])
                for key, fields in rows.items():
                    id_ = point_id(collection, key)
                    present = fold.after.get(id_)
                    kept = fields_of(present) if present else {}
                    fold.after[id_] = payload_of(collection, key, kept | fields)
            case Deletes(keys):
                fold.after |= {point_id(collection, key): None for key in keys}
            case DeletesWhere(field, value):
                value = msgspec.to_builtins(value)
                fold.see(shard.where(collection, field, value))
                doomed = [
                    id_
                    for id_, payload in fold.after.items()
                    if payload and payload[COLLECTION] == collection and payload.get(field) == value
                ]
                fold.after |= dict.fromkeys(doomed)
    return fold.plan(model)


class _Fold:
    """The points that are touched, before and after."""

    def __init__(self, shard: Shard) -> None:
        self._shard = shard
        self.before: dict[str, Payload] = {}
        self.after: dict[str, Payload | None] = {}
        """None for a point that is not to be."""

    def look_up(self, ids: list[str]) -> None:
        self.see(self._shard.payloads([id_ for id_ in ids if id_ not in self.after]))

    def see(self, found: dict[str, Payload]) -> None:
        for id_, payload in found.items():
            if id_ not in self.after:
                self.before[id_] = self.after[id_] = payload

    def plan(self, model: str) -> Plan:
        planned = Plan({}, {}, {}, [])
        for id_, after in self.after.items():
            before = self.before.get(id_, {})
            if after is None:
                planned.delete.append(id_)
                continue
            text = embedded_text(after)
            if text is not None:
                after = {**after, MODEL: model}
            if after == before:
                continue
            if text is None:
                planned.write[id_] = after
            elif before.get(MODEL) == model and embedded_text(before) == text:
                planned.overwrite[id_] = after
            else:
                planned.embed[id_] = (after, text)
        return planned
