"""Qdrant on a server: a collection a view. Whoever writes late, loses: every write is conditional."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import msgspec

from aigestion.kernel.errors import ChangeRejected, Misconfigured
from aigestion.readstores.port import View
from aigestion.readstores.qdrant.connection import AlreadyThere, Connection
from aigestion.readstores.qdrant.points import CHECKPOINT_ID, COLLECTION, POSITION, Payload
from aigestion.readstores.qdrant.port import POINTS_IN_PAGE_MAX, Found, NoSuchView, Stamp, Vector

if TYPE_CHECKING:
    from qdrant_client.models import Filter, Record

POINTS_IN_REQUEST_MAX = 256
PAYLOAD_BYTES_IN_REQUEST_MAX = 8_000_000
"""One point may be larger: `POINT_BYTES_MAX` is what counts then."""

_TENANT = "tenant"


class ServerPoints:
    """One collection.

    What is deleted leaves an empty point behind, with a position: a late writer cannot put it back.
    They go when the view goes.
    """

    def __init__(self, connection: Connection, name: str) -> None:
        self._connection = connection
        self._client = connection.client
        self._name = name

    async def checkpoint(self) -> int | None:
        found = await self.find([CHECKPOINT_ID])
        return int(found[CHECKPOINT_ID][POSITION]) if found else None

    async def find(self, ids: Sequence[str]) -> dict[str, Payload]:
        found = await self._retrieve(ids, with_vectors=False)
        return {str(record.id): record.payload or {} for record in found}

    async def find_with_vectors(self, ids: Sequence[str]) -> Found:
        found = await self._retrieve(ids, with_vectors=True)
        return {str(record.id): (record.payload or {}, _only(record.vector)) for record in found}

    async def where(self, collection: str, field: str, value: Any) -> dict[str, Payload]:
        matching = _matching({COLLECTION: collection, field: value})
        return {id_: payload async for id_, payload in self._pages(matching)}

    async def all(self) -> AsyncIterator[Payload]:
        async for _, payload in self._pages(_rows()):
            yield payload

    async def put(self, points: Found, stamp: Stamp) -> None:
        from qdrant_client import models

        for part in _requests(points):
            written = [
                models.PointStruct(
                    id=id_,
                    vector={} if vector is None else list(vector),
                    payload={**payload, POSITION: stamp.position},
                )
                for id_, (payload, vector) in part.items()
            ]
            putting = self._client.upsert(
                self._name,
                written,
                wait=True,
                ordering=models.WriteOrdering.STRONG,
                update_filter=_not_newer_than(stamp.newest_replaced),
            )
            await self._connection.ask(putting, ChangeRejected)

    async def delete(self, ids: Sequence[str], stamp: Stamp) -> None:
        await self.put(dict.fromkeys(ids, ({}, None)), stamp)

    async def move_checkpoint(self, position: int) -> None:
        await self.put({CHECKPOINT_ID: ({}, None)}, Stamp(position, position - 1))

    async def nearest(
        self, vector: Vector, limit: int, matching: Mapping[str, Any]
    ) -> list[tuple[float, Payload]]:
        asking = self._client.query_points(
            self._name, list(vector), query_filter=_matching(matching), limit=limit
        )
        found = await self._connection.ask(asking)
        return [(hit.score, hit.payload or {}) for hit in found.points]

    async def _retrieve(self, ids: Sequence[str], *, with_vectors: bool) -> "list[Record]":
        from qdrant_client.models import ReadConsistencyType

        found: list[Record] = []
        for first in range(0, len(ids), POINTS_IN_REQUEST_MAX):
            asking = self._client.retrieve(
                self._name,
                ids[first : first + POINTS_IN_REQUEST_MAX],
                with_vectors=with_vectors,
                consistency=ReadConsistencyType.QUORUM,
            )
            found += await self._connection.ask(asking)
        return found

    async def _pages(self, filter_: "Filter") -> AsyncIterator[tuple[str, Payload]]:
        from qdrant_client.models import ReadConsistencyType

        offset = None
        while True:
            asking = self._client.scroll(
                self._name,
                filter_,
                limit=POINTS_IN_PAGE_MAX,
                offset=offset,
                consistency=ReadConsistencyType.QUORUM,
            )
            page, offset = await self._connection.ask(asking)
            for record in page:
                yield str(record.id), record.payload or {}
            if offset is None:
                return


class ServerEngine:
    """The collections of one log: their names begin with its namespace."""

    def __init__(self, connection: Connection, namespace: str) -> None:
        self._connection = connection
        self._client = connection.client
        self._prefix = f"{namespace}_"
        self._dimensions: dict[View, int] = {}

    @classmethod
    async def connect(
        cls, url: str, namespace: str, api_key: str | None, ca_file: Path | None
    ) -> Self:
        """Raises what `Connection.open` raises."""
        return cls(await Connection.open(url, api_key, ca_file), namespace)

    async def ping(self) -> None:
        """`Unavailable` if it does not answer, `Misconfigured` if it does not let us in any more."""
        await self._connection.ping()

    async def create(self, view: View, dimensions: int, keywords: Sequence[str]) -> None:
        """Make the collection, its indexes and its checkpoint; what is there, stays."""
        from qdrant_client import models

        name, ask = self._name(view), self._connection.ask
        vectors = models.VectorParams(size=dimensions, distance=models.Distance.COSINE)
        with suppress(AlreadyThere):
            await ask(self._client.create_collection(name, vectors))
        for field in (COLLECTION, *keywords):
            keyword = models.KeywordIndexParams(
                type=models.KeywordIndexType.KEYWORD, is_tenant=field == _TENANT
            )
            await ask(self._client.create_payload_index(name, field, keyword))
        integer = models.PayloadSchemaType.INTEGER
        await ask(self._client.create_payload_index(name, POSITION, integer))
        await ServerPoints(self._connection, name).move_checkpoint(0)

    async def open(self, view: View, dimensions: int) -> ServerPoints | None:
        """The points of a view: who was told once that it is there, does not ask again."""
        made = self._dimensions.get(view) or await self._dimensions_of(view)
        if made is None:
            return None
        if made != dimensions:
            raise Misconfigured(
                f"The collection {self._name(view)} has vectors of {made} numbers, the embedder makes "
                f"{dimensions}: rebuild {view.projection}."
            )
        self._dimensions[view] = made
        return ServerPoints(self._connection, self._name(view))

    async def names(self) -> list[str]:
        """The names of this log's views."""
        answer = await self._connection.ask(self._client.get_collections())
        names = [collection.name for collection in answer.collections]
        return [name.removeprefix(self._prefix) for name in names if name.startswith(self._prefix)]

    async def drop(self, view: View) -> None:
        """Remove the collection. Idempotent."""
        self._dimensions.pop(view, None)
        with suppress(NoSuchView):
            await self._connection.ask(self._client.delete_collection(self._name(view)))

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _dimensions_of(self, view: View) -> int | None:
        from qdrant_client.models import VectorParams

        try:
            found = await self._connection.ask(self._client.get_collection(self._name(view)))
        except NoSuchView:
            return None
        vectors = found.config.params.vectors
        return vectors.size if isinstance(vectors, VectorParams) else 0

    def _name(self, view: View) -> str:
        return self._prefix + view.name


def _requests(points: Found) -> Iterator[Found]:
    """In parts that a server takes at once."""
    part: dict[str, Any] = {}
    size = 0
    for id_, (payload, vector) in points.items():
        more = len(msgspec.json.encode(payload))
        full = len(part) >= POINTS_IN_REQUEST_MAX or size + more > PAYLOAD_BYTES_IN_REQUEST_MAX
        if part and full:
            yield part
            part, size = {}, 0
        part[id_] = (payload, vector)
        size += more
    if part:
        yield part


def _only(vector: Any) -> Vector | None:
    """A collection has one unnamed vector a point: none is an empty map."""
    return vector or None


def _not_newer_than(position: int) -> "Filter":
    from qdrant_client.models import FieldCondition, Filter, Range

    newer = FieldCondition(key=POSITION, range=Range(gt=position))
    return Filter(must_not=[newer])


def _rows() -> "Filter":
    from qdrant_client.models import Filter, IsEmptyCondition, PayloadField

    return Filter(must_not=[IsEmptyCondition(is_empty=PayloadField(key=COLLECTION))])


def _matching(values: Mapping[str, Any]) -> "Filter":
    from qdrant_client import models

    conditions: list[Any] = []
    for field, value in values.items():
        match value:
            case None:
                empty = models.PayloadField(key=field)
                conditions.append(models.IsEmptyCondition(is_empty=empty))
            case list():
                any_ = models.MatchAny(any=value)
                conditions.append(models.FieldCondition(key=field, match=any_))
            case float():
                equal = models.Range(gte=value, lte=value)
                conditions.append(models.FieldCondition(key=field, range=equal))
            case _:
                match_ = models.MatchValue(value=value)
                conditions.append(models.FieldCondition(key=field, match=match_))
    return models.Filter(must=conditions)
