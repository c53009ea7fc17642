"""The read store in Qdrant, embedded: rows with a `text` are found by what they mean."""

import asyncio
import shutil
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

from aigestion.kernel.errors import CheckpointMoved, Misconfigured, Unavailable
from aigestion.readstores.port import Change, Row, View
from aigestion.readstores.qdrant.plan import Plan, plan
from aigestion.readstores.qdrant.points import COLLECTION, Payload, fields_of, row_of
from aigestion.readstores.qdrant.shard import POINTS_IN_PAGE_MAX, Shard
from aigestion.readstores.worker_threads import WorkerThreads

KEYWORDS: Mapping[str, tuple[str, ...]] = {"passages": ("tenant", "document_key", "document_id")}
"""The fields of each projection's rows that they are looked up by."""
THREADS_MAX = 3
POINTS_EMBEDDED_AT_ONCE_MAX = 16
OPTIMIZE_AFTER_POINTS = 10_000
"""So many new points are searched without an index: that takes a millisecond."""

T = TypeVar("T")


class Embedder(Protocol):
    """Turns texts into vectors; the part of `llm.port.Embedder` that is needed here."""

    @property
    def model(self) -> str: ...

    @property
    def dimensions(self) -> int: ...

    async def passages(self, texts: list[str]) -> list[list[float]]: ...

    async def query(self, text: str) -> list[float]: ...


class QdrantEdgeReadStore:
    """Every row is a point, every view a shard in a directory of its own.

    A vector says which model made it and is made once: a row whose text stays keeps its vector, also
    if the process is killed while others of the same `apply` are still to be embedded.
    """

    gather_seconds = 0.05

    def __init__(
        self, directory: Path, embedder: Embedder, keywords: Mapping[str, Sequence[str]] = KEYWORDS
    ) -> None:
        self._directory = directory
        self._embedder = embedder
        self._keywords = keywords
        self._threads = WorkerThreads("qdrant", THREADS_MAX)
        self._opening = asyncio.Lock()
        self._writing: defaultdict[View, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._shards: dict[View, Shard] = {}
        self._unindexed: dict[View, int] = {}

    @classmethod
    @asynccontextmanager
    async def open(cls, directory: Path, embedder: Embedder) -> AsyncIterator[Self]:
        """Use a directory, which belongs to this process; close its shards in the end."""
        store = cls(directory, embedder)
        try:
            yield store
        finally:
            await store.close()

    async def close(self) -> None:
        """Close the shards; what is being written is waited for."""
        for writing in list(self._writing.values()):
            await writing.acquire()
        async with self._opening:
            for shard in self._shards.values():
                await self._threads.run(shard.close)
            self._shards.clear()
            self._threads.close()

    async def ping(self) -> None:
        """`Unavailable` if the directory is gone."""
        if not await self._threads.run(self._directory.is_dir):
            raise Unavailable(f"{self._directory} is gone.", engine="qdrant")

    async def prepare(self, view: View) -> None:
        """Make the view's shard. Idempotent; a crash in between leaves no view."""
        keywords = self._keywords.get(view.projection)
        if keywords is None:
            raise Misconfigured(f"The projection {view.projection} has no keywords for its points.")
        async with self._writing[view]:
            if await self._shard(view) is None:
                path, dimensions = self._path(view), self._embedder.dimensions
                await self._threads.run(Shard.create, path, dimensions, keywords)

    async def checkpoint(self, view: View) -> int | None:
        """The position the view reflects; None if there is no such view."""
        shard = await self._shard(view)
        return None if shard is None else await self._threads.run(shard.checkpoint)

    async def apply(
        self, view: View, changes: Sequence[Change], position: int, *, visible: bool = True
    ) -> None:
        """Embed what is new, write, move the checkpoint.

        Queries see each row as it was or as it will be. Raises `CheckpointMoved` if the view is gone,
        and what the embedder raises.
        """
        async with self._writing[view]:
            shard = await self._shard(view)
            if shard is None:
                raise CheckpointMoved(f"The view {view.name} is gone.", view=view.name)
            if await self._threads.run(shard.checkpoint) < position:
                await self._write(view, shard, changes, position)

    async def amend(self, view: View, changes: Sequence[Change], position: int) -> None:
        """As the port says; raises as `apply` does."""
        async with self._writing[view]:
            shard = await self._shard(view)
            if shard is None:
                raise CheckpointMoved(f"The view {view.name} is gone.", view=view.name)
            await self._write(view, shard, changes, await self._threads.run(shard.checkpoint))

    async def _write(
        self, view: View, shard: Shard, changes: Sequence[Change], checkpoint: int
    ) -> None:
        planned = await self._threads.run(plan, shard, changes, self._embedder.model)
        for points in _parts(planned.embed.items(), POINTS_EMBEDDED_AT_ONCE_MAX):
            vectors = await self._embedder.passages([text for _, (_, text) in points])
            embedded = {
                id_: (payload, vector)
                for (id_, (payload, _)), vector in zip(points, vectors, strict=True)
            }
            await self._threads.run(shard.put, embedded)
        await self._threads.run(_finish, shard, planned, checkpoint)
        await self._optimize(view, shard, planned.points)

    async def rows(self, view: View) -> AsyncIterator[Row]:
        """Every row, in no order. A field that is None is left out."""
        shard = await self._shard(view)
        if shard is None:
            return
        payloads = shard.all()
        while page := await self._threads.run(_page, payloads):
            for payload in page:
                yield row_of(payload)

    async def nearest(
        self, view: View, collection: str, text: str, *, tenant: str, limit: int
    ) -> list[tuple[float, dict[str, Any]]]:
        """(cosine similarity, fields) of a tenant's rows that come nearest to a question, best first.

        `Unavailable` if the view was dropped meanwhile.
        """
        vector = await self._embedder.query(text)
        shard = await self._shard(view)
        if shard is None:
            raise Unavailable(f"The view {view.name} was just replaced.", engine="qdrant")
        matching = {"tenant": tenant, COLLECTION: collection}
        found = await self._threads.run(shard.nearest, vector, limit, matching)
        return [(score, fields_of(payload)) for score, payload in found]

    async def drop(self, view: View) -> None:
        """Remove the view and its checkpoint. Idempotent."""
        async with self._writing[view], self._opening:
            shard = self._shards.pop(view, None)
            if shard is not None:
                await self._threads.run(shard.close)
            await self._threads.run(_remove, self._path(view))

    async def serve(self, view: View) -> None:
        """Nothing to do: whoever asks names the view."""

    async def _shard(self, view: View) -> Shard | None:
        """The view's shard, opened at first use; None if there is none."""
        async with self._opening:
            if view not in self._shards:
                path = self._path(view)
                if not await self._threads.run(path.is_dir):
                    return None
                self._shards[view] = await self._threads.run(Shard.load, path)
            return self._shards[view]

    async def _optimize(self, view: View, shard: Shard, points: int) -> None:
        unindexed = self._unindexed.get(view, 0) + points
        if unindexed >= OPTIMIZE_AFTER_POINTS:
            await self._threads.run(shard.optimize)
            unindexed = 0
        self._unindexed[view] = unindexed

    def _path(self, view: View) -> Path:
        return self._directory / view.name


def _finish(shard: Shard, planned: Plan, position: int) -> None:
    """What needs no vector. The checkpoint is last: whatever is lost is lost with it."""
    shard.put({id_: (payload, None) for id_, payload in planned.write.items()})
    shard.overwrite(planned.overwrite)
    shard.delete(planned.delete)
    shard.move_checkpoint(position)
    if planned.points:
        shard.flush()


def _remove(path: Path) -> None:
    """A directory that is half removed must not be taken for a view."""
    doomed = path.with_name(f"{path.name}.old")
    shutil.rmtree(doomed, ignore_errors=True)
    if path.exists():
        path.rename(doomed)
        shutil.rmtree(doomed)


def _page(payloads: Iterator[Payload]) -> list[Payload]:
    return list(islice(payloads, POINTS_IN_PAGE_MAX))


def _parts(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while part := list(islice(iterator, size)):
        yield part
