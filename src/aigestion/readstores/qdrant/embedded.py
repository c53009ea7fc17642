"""Qdrant in this process: a shard a view, each in a directory of its own."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from aigestion.kernel.errors import Unavailable
from aigestion.readstores.port import View
from aigestion.readstores.qdrant.points import Payload
from aigestion.readstores.qdrant.port import POINTS_IN_PAGE_MAX, Found, Stamp, Vector
from aigestion.readstores.qdrant.shard import Shard
from aigestion.readstores.worker_threads import WorkerThreads

THREADS_MAX = 3
OPTIMIZE_AFTER_POINTS = 10_000
"""So many new points are searched without an index: that takes a millisecond."""


class EmbeddedPoints:
    """One shard, asked beside the event loop."""

    def __init__(self, shard: Shard, threads: WorkerThreads) -> None:
        self.shard = shard
        self._threads = threads
        self._unindexed = 0

    async def checkpoint(self) -> int:
        return await self._threads.run(self.shard.checkpoint)

    async def find(self, ids: Sequence[str]) -> dict[str, Payload]:
        return await self._threads.run(self.shard.find, ids)

    async def find_with_vectors(self, ids: Sequence[str]) -> Found:
        return await self._threads.run(self.shard.find_with_vectors, ids)

    async def where(self, collection: str, field: str, value: Any) -> dict[str, Payload]:
        return await self._threads.run(self.shard.where, collection, field, value)

    async def all(self) -> AsyncIterator[Payload]:
        payloads = self.shard.all()
        while page := await self._threads.run(_page, payloads):
            for payload in page:
                yield payload

    async def put(self, points: Found, stamp: Stamp) -> None:
        await self._threads.run(self.shard.put, points, stamp.position)
        self._unindexed += len(points)

    async def delete(self, ids: Sequence[str], stamp: Stamp) -> None:
        await self._threads.run(self.shard.delete, ids)

    async def move_checkpoint(self, position: int) -> None:
        await self._threads.run(self.shard.move_checkpoint, position)
        if self._unindexed >= OPTIMIZE_AFTER_POINTS:
            await self._threads.run(self.shard.optimize)
            self._unindexed = 0

    async def nearest(
        self, vector: Vector, limit: int, matching: Mapping[str, Any]
    ) -> list[tuple[float, Payload]]:
        return await self._threads.run(self.shard.nearest, vector, limit, matching)


class EmbeddedEngine:
    """A directory that belongs to this process."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._threads = WorkerThreads("qdrant", THREADS_MAX)
        self._opening = asyncio.Lock()
        self._open: dict[View, EmbeddedPoints] = {}

    async def ping(self) -> None:
        """`Unavailable` if the directory is gone."""
        if not await self._threads.run(self._directory.is_dir):
            raise Unavailable(f"{self._directory} is gone.", engine="qdrant")

    async def create(self, view: View, dimensions: int, keywords: Sequence[str]) -> None:
        """Make the view's shard. Idempotent; a crash in between leaves no view."""
        async with self._opening:
            path = self._path(view)
            if not await self._threads.run(path.is_dir):
                await self._threads.run(Shard.create, path, dimensions, keywords)

    async def open(self, view: View, dimensions: int) -> EmbeddedPoints | None:
        """The view's shard, opened at first use; None if there is none."""
        async with self._opening:
            if view not in self._open:
                path = self._path(view)
                if not await self._threads.run(path.is_dir):
                    return None
                await self._threads.run(self._load, view, path)
            return self._open[view]

    async def names(self) -> list[str]:
        """What directories there are."""
        return await self._threads.run(_names, self._directory)

    async def drop(self, view: View) -> None:
        """Remove a view's shard. Idempotent."""
        async with self._opening:
            points = self._open.pop(view, None)
            if points is not None:
                await self._threads.run(points.shard.close)
            await self._threads.run(_remove, self._path(view))

    async def close(self) -> None:
        """Close the shards."""
        async with self._opening:
            for points in self._open.values():
                await self._threads.run(points.shard.close)
            self._open.clear()
            self._threads.close()

    def _load(self, view: View, path: Path) -> None:
        """Kept also for a caller who is cancelled meanwhile: a shard that nobody has stays open, and locked."""
        self._open[view] = EmbeddedPoints(Shard.load(path), self._threads)

    def _path(self, view: View) -> Path:
        return self._directory / view.name


def _names(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()] if directory.is_dir() else []


def _remove(path: Path) -> None:
    """A directory that is half removed must not be taken for a view."""
    doomed = path.with_name(f"{path.name}.old")
    shutil.rmtree(doomed, ignore_errors=True)
    if path.exists():
        path.rename(doomed)
        shutil.rmtree(doomed)


def _page(payloads: Iterator[Payload]) -> list[Payload]:
    return list(islice(payloads, POINTS_IN_PAGE_MAX))
