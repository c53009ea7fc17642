"""The read store in Qdrant, embedded or on a server: rows with a `text` are found by what they mean."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol, Self, TypeVar

from aigestion.kernel.errors import CheckpointMoved, Misconfigured, Unavailable
from aigestion.readstores.port import Change, Row, View
from aigestion.readstores.qdrant.embedded import EmbeddedEngine
from aigestion.readstores.qdrant.plan import plan
from aigestion.readstores.qdrant.points import COLLECTION, Payload, fields_of, row_of
from aigestion.readstores.qdrant.port import Engine, Found, NoSuchView, Points, Stamp
from aigestion.readstores.qdrant.reuse import Elder, fitting
from aigestion.readstores.qdrant.server import ServerEngine

KEYWORDS: Mapping[str, tuple[str, ...]] = {"passages": ("tenant", "document_key", "document_id")}
"""The fields of each projection's rows that they are looked up by."""
POINTS_EMBEDDED_AT_ONCE_MAX = 16
POINTS_WRITTEN_AT_ONCE_MAX = 256

T = TypeVar("T")


class Embedder(Protocol):
    """Turns texts into vectors; the part of `llm.port.Embedder` that is needed here."""

    @property
    def model(self) -> str: ...

    @property
    def dimensions(self) -> int: ...

    async def passages(self, texts: list[str]) -> list[list[float]]: ...

    async def query(self, text: str) -> list[float]: ...


class QdrantReadStore:
    """Every row is a point; every view a shard in this process, or a collection on a server.

    A vector says which model made it and is made once: a row whose text stays keeps its vector, also
    if the process is killed while others of the same `apply` are still to be embedded, and a view
    that is filled beside an older one takes over the vectors that still fit.
    """

    gather_seconds = 0.05
    kept_since: datetime | None = None

    def __init__(
        self, engine: Engine, embedder: Embedder, keywords: Mapping[str, Sequence[str]] = KEYWORDS
    ) -> None:
        self._engine = engine
        self._embedder = embedder
        self._keywords = keywords
        self._writing: defaultdict[View, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._seen: dict[View, int] = {}
        self._elders: dict[View, Elder] = {}

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        directory: Path,
        embedder: Embedder,
        *,
        keywords: Mapping[str, Sequence[str]] = KEYWORDS,
    ) -> AsyncIterator[Self]:
        """Use a directory, which belongs to this process; close its shards in the end."""
        store = cls(EmbeddedEngine(directory), embedder, keywords)
        try:
            yield store
        finally:
            await store.close()

    @classmethod
    @asynccontextmanager
    async def connect(
        cls,
        url: str,
        embedder: Embedder,
        *,
        namespace: str = "aigestion",
        api_key: str | None = None,
        ca_file: Path | None = None,
        keywords: Mapping[str, Sequence[str]] = KEYWORDS,
    ) -> AsyncIterator[Self]:
        """Use a server, which many processes share; every collection's name begins with `namespace`.

        Raises `Misconfigured` for a wrong address, key or certificate and for a server that is too
        old, `Unavailable` if nobody answers. An outage later on is over when it is over.
        """
        store = cls(
            await ServerEngine.connect(url, namespace, api_key, ca_file), embedder, keywords
        )
        try:
            yield store
        finally:
            await store.close()

    async def close(self) -> None:
        """Let go of the engine; what is being written is waited for."""
        for writing in list(self._writing.values()):
            await writing.acquire()
        await self._engine.close()

    async def ping(self) -> None:
        """`Unavailable` if the engine does not answer, or its directory is gone."""
        await self._engine.ping()

    async def prepare(self, view: View) -> None:
        """Make the view. Idempotent, in any number of processes; a crash in between leaves none."""
        keywords = self._keywords.get(view.projection)
        if keywords is None:
            raise Misconfigured(f"The projection {view.projection} has no keywords for its points.")
        async with self._writing[view]:
            await self._engine.create(view, self._embedder.dimensions, keywords)

    async def checkpoint(self, view: View) -> int | None:
        """The position the view reflects; None if there is no such view."""
        points = await self._points(view)
        position = None
        with suppress(NoSuchView):
            position = None if points is None else await points.checkpoint()
        if position is not None:
            self._seen[view] = position
        return position

    async def apply(
        self, view: View, changes: Sequence[Change], position: int, *, visible: bool = True
    ) -> None:
        """Embed what is new, write, move the checkpoint; what is written is visible.

        Queries see each row as it was or as it will be. Raises `CheckpointMoved` if the view is gone
        or went back since this store saw it (a restore), and what the embedder raises.
        """
        async with self._changing(view) as (points, present):
            if present < position:
                stamp = Stamp(position, newest_replaced=position - 1)
                await self._write(points, changes, stamp, None if visible else view)
                await points.move_checkpoint(position)
            self._seen[view] = max(present, position)

    async def amend(self, view: View, changes: Sequence[Change], position: int) -> None:
        """As the port says; raises as `apply` does."""
        async with self._changing(view) as (points, present):
            await self._write(points, changes, Stamp(present, newest_replaced=present), None)

    async def rows(self, view: View) -> AsyncIterator[Row]:
        """Every row, in no order. A field that is None is left out."""
        points = await self._points(view)
        if points is None:
            return
        with suppress(NoSuchView):
            async for payload in points.all():
                yield row_of(payload)

    async def nearest(
        self,
        view: View,
        collection: str,
        text: str,
        *,
        tenant: str,
        limit: int,
        matching: Mapping[str, Any] = MappingProxyType({}),
    ) -> list[tuple[float, dict[str, Any]]]:
        """(cosine similarity, fields) of a tenant's rows that come nearest to a question, best first.

        Only rows with these values of other fields; a list stands for any of its words.
        `Unavailable` if the view was dropped meanwhile.
        """
        vector = await self._embedder.query(text)
        try:
            points = await self._points(view)
            if points is None:
                raise NoSuchView(view.name)
            ours = {**matching, "tenant": tenant, COLLECTION: collection}
            found = await points.nearest(vector, limit, ours)
        except NoSuchView as error:
            raise Unavailable(
                f"The view {view.name} was just replaced.", engine="qdrant"
            ) from error
        return [(score, fields_of(payload)) for score, payload in found]

    async def drop(self, view: View) -> None:
        """Remove the view and its checkpoint. Idempotent."""
        async with self._writing[view]:
            await self._engine.drop(view)
            self._seen.pop(view, None)
            self._elders.pop(view, None)

    async def _points(self, view: View) -> Points | None:
        return await self._engine.open(view, self._embedder.dimensions)

    async def serve(self, view: View) -> None:
        """Nothing to do: whoever asks names the view."""

    @asynccontextmanager
    async def _changing(self, view: View) -> AsyncIterator[tuple[Points, int]]:
        """The view's points and its checkpoint; only one at a time in this process."""
        async with self._writing[view]:
            try:
                points = await self._points(view)
                present = None if points is None else await points.checkpoint()
                if points is None or present is None:
                    raise NoSuchView(view.name)
                if present < (seen := self._seen.get(view, 0)):
                    raise CheckpointMoved(
                        f"The view {view.name} went back from {seen} to {present}; read its "
                        "checkpoint again.",
                        view=view.name,
                        position=present,
                    )
                yield points, present
            except NoSuchView as error:
                raise CheckpointMoved(f"The view {view.name} is gone.", view=view.name) from error

    async def _write(
        self, points: Points, changes: Sequence[Change], stamp: Stamp, filling: View | None
    ) -> None:
        """`filling`: the view, if it does not serve yet and an older one may have its vectors."""
        planned = await plan(points, changes, self._embedder.model)
        for part in _parts(planned.with_vector.items(), POINTS_WRITTEN_AT_ONCE_MAX):
            taken = await fitting(points, dict(part))
            if filling:
                lacking = {id_: want for id_, want in part if id_ not in taken}
                taken = {**taken, **await self._elder(filling).fitting(lacking)}
            await points.put(taken, stamp)
            new = [(id_, want) for id_, want in part if id_ not in taken]
            for some in _parts(new, POINTS_EMBEDDED_AT_ONCE_MAX):
                await points.put(await self._embedded(some), stamp)
        for rest in _parts(planned.without.items(), POINTS_WRITTEN_AT_ONCE_MAX):
            await points.put({id_: (payload, None) for id_, payload in rest}, stamp)
        await points.delete(planned.delete, stamp)

    async def _embedded(self, wanted: Sequence[tuple[str, tuple[Payload, str]]]) -> Found:
        vectors = await self._embedder.passages([text for _, (_, text) in wanted])
        return {
            id_: (payload, vector)
            for (id_, (payload, _)), vector in zip(wanted, vectors, strict=True)
        }

    def _elder(self, view: View) -> Elder:
        if view not in self._elders:
            self._elders[view] = Elder(self._engine, view, self._embedder.dimensions)
        return self._elders[view]


def _parts(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while part := list(islice(iterator, size)):
        yield part


"""The former name, until `bootstrap` says the new one."""
