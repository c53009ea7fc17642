"""What changes come to: the points that need a vector, those that do not, and those that go."""

from collections.abc import Iterable, Mapping

import msgspec

from aigestion.kernel.errors import ChangeRejected
from aigestion.readstores.batches import Deletes, DeletesWhere, Puts, batches
from aigestion.readstores.port import Change
from aigestion.readstores.qdrant.points import (
    COLLECTION,
    MODEL,
    Payload,
    check,
    embedded_text,
    fields_of,
    is_row,
    payload_of,
    point_id,
)
from aigestion.readstores.qdrant.port import Points


class Plan(msgspec.Struct, frozen=True):
    """All by point id. Carried out in any order and any number of times, the outcome is the same.

    It names every point that was touched, also one that is in the end as it was: its new position
    keeps late writers off it.
    """

    with_vector: dict[str, tuple[Payload, str]]
    """Points that need a vector, with the text it stands for."""
    without: dict[str, Payload]
    delete: list[str]


async def plan(points: Points, changes: Iterable[Change], model: str) -> Plan:
    """Work out the end of it all first: a passage that is taken away and put back is not embedded anew.

    Raises `ChangeRejected` for what cannot be written, before anything is.
    """
    fold = _Fold(points)
    for collection, batch in batches(changes):
        match batch:
            case Puts(rows):
                await fold.look_up([point_id(collection, key) for key in rows])
                for key, fields in rows.items():
                    id_ = point_id(collection, key)
                    present = fold.after.get(id_)
                    kept = fields_of(present) if present else {}
                    fold.after[id_] = payload_of(collection, key, {**kept, **fields})
            case Deletes(keys):
                fold.after |= {point_id(collection, key): None for key in keys}
            case DeletesWhere(field, value):
                value = msgspec.to_builtins(value)
                if isinstance(value, list | dict):
                    raise ChangeRejected(f"Rows are not found by a whole {field}.", field=field)
                fold.see(await points.where(collection, field, value))
                doomed = [
                    id_
                    for id_, payload in fold.after.items()
                    if payload and payload[COLLECTION] == collection and payload.get(field) == value
                ]
                fold.after |= dict.fromkeys(doomed)
    return _sorted(fold.after, model)


class _Fold:
    """The points that are touched, as they will be."""

    def __init__(self, points: Points) -> None:
        self._points = points
        self.after: dict[str, Payload | None] = {}
        """None for a point that is not to be."""

    async def look_up(self, ids: list[str]) -> None:
        if missing := [id_ for id_ in ids if id_ not in self.after]:
            self.see(await self._points.find(missing))

    def see(self, found: Mapping[str, Payload]) -> None:
        for id_, payload in found.items():
            if id_ not in self.after and is_row(payload):
                self.after[id_] = payload


def _sorted(after: Mapping[str, Payload | None], model: str) -> Plan:
    planned = Plan({}, {}, [])
    for id_, payload in after.items():
        if payload is None:
            planned.delete.append(id_)
            continue
        check(payload)
        text = embedded_text(payload)
        if text is None:
            planned.without[id_] = payload
        else:
            planned.with_vector[id_] = ({**payload, MODEL: model}, text)
    return planned
