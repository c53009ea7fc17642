"""One shard of the embedded Qdrant engine: the points of one view, in a directory. Calls block."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from aigestion.kernel.errors import ChangeRejected, Unavailable
from aigestion.readstores.qdrant.points import (
    CHECKPOINT_ID,
    COLLECTION,
    POSITION,
    Payload,
    is_row,
)
from aigestion.readstores.qdrant.port import POINTS_IN_PAGE_MAX, Found, Vector

if TYPE_CHECKING:  # The wheel is an extra: only who opens a shard needs it.
    from qdrant_edge import EdgeShard, Filter

SEARCH_THREADS_MAX = 2

_NO_VECTOR: dict[str, Any] = {}


class Shard:
    """Points with vectors of one length. The engine allows one process, and any number of threads.

    So nobody else writes, and no writer is late: the newest that a point may replace is not looked at.
    """

    def __init__(self, shard: "EdgeShard") -> None:
        self._shard = shard

    @classmethod
    def create(cls, directory: Path, dimensions: int, keywords: Sequence[str]) -> None:
        """Make an empty shard with indexes on `keywords`: all of it or none, whenever it is killed."""
        import qdrant_edge as qdrant

        draft = directory.with_name(f"{directory.name}.new")
        shutil.rmtree(draft, ignore_errors=True)
        vectors = qdrant.EdgeVectorParams(size=dimensions, distance=qdrant.Distance.Cosine)
        config = qdrant.EdgeConfig(vectors=vectors, max_search_threads=SEARCH_THREADS_MAX)
        shard = cls(qdrant.EdgeShard.create(str(draft), config))
        for name in (COLLECTION, *keywords):
            index = qdrant.UpdateOperation.create_field_index(
                name, qdrant.PayloadSchemaType.Keyword
            )
            shard._shard.update(index)
        shard.move_checkpoint(0)
        shard.close()
        draft.rename(directory)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Open a shard. `Unavailable` if another process has it open, or if it is damaged."""
        import qdrant_edge as qdrant

        try:
            return cls(qdrant.EdgeShard.load(str(directory)))
        except Exception as error:  # the engine has no error classes of its own
            raise Unavailable(
                f"The shard {directory} cannot be opened ({error}). If no other process has it open, "
                "delete it: it is filled from the log again.",
                engine="qdrant",
            ) from error

    def checkpoint(self) -> int:
        """0 also for a shard of an older make: its rows are put again, and keep their vectors."""
        return int(self.find([CHECKPOINT_ID])[CHECKPOINT_ID].get(POSITION, 0))

    def move_checkpoint(self, position: int) -> None:
        self.put({CHECKPOINT_ID: ({}, None)}, position)
        self._shard.flush()

    def find(self, ids: Sequence[str]) -> dict[str, Payload]:
        """By id; points that are not there are left out."""
        records = self._shard.retrieve(list(ids), with_payload=True, with_vector=False)
        return {str(record.id): record.payload or {} for record in records}

    def find_with_vectors(self, ids: Sequence[str]) -> Found:
        """By id; points that are not there are left out."""
        records = self._shard.retrieve(list(ids), with_payload=True, with_vector=True)
        return {
            str(record.id): (
                record.payload or {},
                _only(record.vector),
            )
            for record in records
        }

    def where(self, collection: str, field: str, value: Any) -> dict[str, Payload]:
        """Every point of a collection whose field has this value, by id."""
        return dict(self._pages(_matching({COLLECTION: collection, field: value})))

    def all(self) -> Iterator[Payload]:
        """Every row's point, a page at a time."""
        for _, payload in self._pages(None):
            if is_row(payload):
                yield payload

    def put(self, points: Found, position: int) -> None:
        """Write points whole. `ChangeRejected` if a vector has not the shard's length."""
        import qdrant_edge as qdrant

        if not points:
            return
        written = [
            qdrant.Point(
                id_,
                _NO_VECTOR if vector is None else list(vector),
                {**payload, POSITION: position},
            )
            for id_, (payload, vector) in points.items()
        ]
        try:
            self._shard.update(qdrant.UpdateOperation.upsert_points(written))
        except Exception as error:  # the engine has no error classes of its own
            if "dimension" in str(error):
                raise ChangeRejected(f"Qdrant does not take a point: {error}") from error
            raise

    def delete(self, ids: Sequence[str]) -> None:
        import qdrant_edge as qdrant

        if ids:
            self._shard.update(qdrant.UpdateOperation.delete_points(list(ids)))

    def nearest(
        self, vector: Vector, limit: int, matching: Mapping[str, Any]
    ) -> list[tuple[float, Payload]]:
        """(cosine similarity, payload) of the nearest points with these values, the best first."""
        import qdrant_edge as qdrant

        request = qdrant.QueryRequest(
            limit=limit,
            query=qdrant.Query.Nearest(list(vector)),
            filter=_matching(matching),
            with_payload=True,
        )
        try:
            found = self._shard.query(request)
        except Exception as error:  # also if the shard was closed while we waited
            raise Unavailable(f"Qdrant does not answer: {error}", engine="qdrant") from error
        return [(hit.score, hit.payload or {}) for hit in found]

    def optimize(self) -> None:
        """Merge segments and build the vector index: seconds for some ten thousand points."""
        self._shard.optimize()

    def close(self) -> None:
        self._shard.flush()
        self._shard.close()

    def _pages(self, filter_: "Filter | None") -> Iterator[tuple[str, Payload]]:
        import qdrant_edge as qdrant

        offset = None
        while True:
            page = qdrant.ScrollRequest(
                limit=POINTS_IN_PAGE_MAX, offset=offset, filter=filter_, with_payload=True
            )
            records, offset = self._shard.scroll(page)
            for record in records:
                yield str(record.id), record.payload or {}
            if offset is None:
                return


def _matching(values: Mapping[str, Any]) -> "Filter":
    import qdrant_edge as qdrant

    conditions: list[Any] = []
    for field, value in values.items():
        match value:
            case None:
                conditions.append(qdrant.IsEmptyCondition(field))
            case str() | bool() | int():
                conditions.append(qdrant.FieldCondition(field, match=qdrant.MatchValue(value)))
            case list():
                conditions.append(qdrant.FieldCondition(field, match=qdrant.MatchAny(value)))
            case float():
                equal = qdrant.RangeFloat(gte=value, lte=value)
                conditions.append(qdrant.FieldCondition(field, range=equal))
            case _:
                raise TypeError(f"{field} cannot be looked for by a {type(value).__name__}")
    return qdrant.Filter(must=conditions)


def _only(vector: Any) -> Vector | None:
    """A shard has one unnamed vector a point: none is an empty map."""
    return vector or None
