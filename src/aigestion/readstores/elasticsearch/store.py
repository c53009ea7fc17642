"""The read store in Elasticsearch: whole rows as documents, whose version is the position they reflect."""

import logging
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self

from aigestion.kernel.errors import AIGestionError, CheckpointMoved
from aigestion.readstores.elasticsearch import bulk
from aigestion.readstores.elasticsearch.answering import NoSuchIndex, answering
from aigestion.readstores.elasticsearch.client import opened_elasticsearch
from aigestion.readstores.elasticsearch.collections import (
    DELETED_AT,
    MAPPINGS,
    Collection,
    collections_of,
)
from aigestion.readstores.elasticsearch.known import ROWS_MAX, Known, Recent
from aigestion.readstores.elasticsearch.scan import scan
from aigestion.readstores.elasticsearch.views import NOT_DELETED, Indices
from aigestion.readstores.elasticsearch.writing import (
    Lookups,
    Touched,
    as_document,
    having,
    items,
    touched,
    wanted,
)
from aigestion.readstores.port import Change, Row, View

if TYPE_CHECKING:
    from elasticsearch import AsyncElasticsearch

NAMESPACE = "aigestion"
KEYS_ASKED_AT_ONCE_MAX = 1_000
TOMBSTONE_SECONDS_MIN = 3600
"""A writer that lost its view and stands still for longer than this finds no tombstone in its way."""
PURGE_SECONDS = 600.0

_log = logging.getLogger(__name__)


class ElasticsearchReadStore:
    """Every collection of a view is an index, every row a document; a deleted row leaves a tombstone.

    A document has the version 2 x position of the batch that wrote it, and one more if it was amended:
    whoever comes late, as a writer that stood still may, finds a later version and changes nothing.
    A `Put` names every field of its collection; None is a value.
    """

    gather_seconds = 0.1
    """What becomes visible is a new segment: better a few than many."""
    kept_since: datetime | None = None

    def __init__(
        self,
        client: "AsyncElasticsearch",
        namespace: str = NAMESPACE,
        *,
        mappings: Path = MAPPINGS,
    ) -> None:
        self.client = client
        self.indices = Indices(client, namespace)
        self.mappings = mappings
        self._views: defaultdict[View, Known] = defaultdict(Known)

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        url: str,
        *,
        namespace: str = NAMESPACE,
        api_key: str | None = None,
        ca_file: Path | None = None,
    ) -> AsyncIterator[Self]:
        """Use a cluster; raises as `opened_elasticsearch` does."""
        async with opened_elasticsearch(url, api_key=api_key, ca_file=ca_file) as client:
            yield cls(client, namespace)

    async def ping(self) -> None:
        """`Unavailable` if the cluster does not answer."""
        with answering():
            await self.client.cluster.health(filter_path="status")

    async def prepare(self, view: View) -> None:
        """Make the view's indices. Idempotent; a crash in between leaves no view."""
        await self.indices.make(view, self._collections(view))

    async def checkpoint(self, view: View) -> int | None:
        """The position the view reflects; None if there is no such view."""
        position = await self.indices.checkpoint(view)
        if position is not None:
            self._views[view].see(position)
        return position

    async def apply(
        self, view: View, changes: Sequence[Change], position: int, *, visible: bool = True
    ) -> None:
        """Write the rows, let queries see them, move the checkpoint; a crash in between repeats it all.

        Raises `CheckpointMoved` if the view went back since this store saw it, or is gone.
        """
        async with self._alone(view) as known:
            present = await self._present(view, known)
            if present < position:
                await self._write(view, known, changes, position)
            if visible:
                await self._show(view, known)
            if present < position:
                await self.indices.move_checkpoint(view, position)
                known.position = position
        if visible:
            await self._tidy(view, known)

    async def amend(self, view: View, changes: Sequence[Change], position: int) -> None:
        """As the port says; raises as `apply` does."""
        async with self._alone(view) as known:
            await self._present(view, known)
            await self._write(view, known, changes, position, amending=True)
            await self._show(view, known)

    async def rows(self, view: View) -> AsyncIterator[Row]:
        """Every row, each collection as of one moment. A field that is None is left out."""
        collections = self._collections(view)
        try:
            await self.indices.refresh(view, collections)
            for collection in collections.values():
                index = self.indices.name(view, collection.name)
                async for hits in scan(self.client, index, NOT_DELETED):
                    for hit in hits:
                        yield Row(collection.name, hit["_id"], collection.row(hit["_source"]))
        except NoSuchIndex:
            return

    async def drop(self, view: View) -> None:
        """Remove the view and its checkpoint. Idempotent."""
        async with self._views[view].writing:
            await self.indices.drop(view)
        self._views.pop(view, None)

    async def serve(self, view: View) -> None:
        """Let all of the view be seen, and lead the aliases of its projection to it in one step.

        The aliases `<namespace>-<projection>-<collection>` are for people and programs that look into
        Elasticsearch: queries of ours name the view they mean. Idempotent.
        """
        with _there(view):
            collections = self._collections(view)
            await self.indices.refresh(view, collections)
            await self.indices.serve(view, collections)

    async def purge(self, view: View, older_than_seconds: float = TOMBSTONE_SECONDS_MIN) -> int:
        """Remove tombstones that have stood long enough; how many."""
        purged = 0
        limit = int(time.time() - older_than_seconds)
        query = {"range": {DELETED_AT: {"lte": limit}}}
        for name in self._collections(view):
            index = self.indices.name(view, name)
            async for hits in scan(self.client, index, query, False, version=True):
                tombstones = [
                    bulk.Item(hit["_id"], hit["_version"], None, "external_gte") for hit in hits
                ]
                await bulk.write(self.client, index, tombstones)
                purged += len(tombstones)
        return purged

    async def _write(
        self,
        view: View,
        known: Known,
        changes: Sequence[Change],
        position: int,
        *,
        amending: bool = False,
    ) -> None:
        collections = self._collections(view)
        try:
            lookups = wanted(changes, collections)
            if lookups:
                await self._look_up(view, known, lookups)
            rows = touched(changes, collections, lookups, known.recent)
            all_new = True
            for name, documents in rows.items():
                known.hide(name)
                index = self.indices.name(view, name)
                writes = (
                    await self._amended(index, documents, position)
                    if amending
                    else items(documents, position)
                )
                all_new &= await bulk.write(self.client, index, writes)
            if not all_new:  # others wrote too: what is there is theirs
                known.recent, known.hidden = None, None
        except BaseException:
            known.recent = None
            raise

    async def _look_up(self, view: View, known: Known, lookups: Lookups) -> None:
        """Find what is to be deleted by value: in one search a field, with a refresh only now and then."""
        recent = known.recent
        if recent is None or len(recent) > ROWS_MAX or not lookups.keys() <= recent.fields:
            await self._show(view, known)
            known.recent = Recent({*lookups, *(recent.fields if recent else ())})
        for (name, field), found in lookups.items():
            index = self.indices.name(view, name)
            async for hits in scan(self.client, index, having(field, found), {"includes": [field]}):
                for hit in hits:
                    found[hit["_source"].get(field)].append(hit["_id"])

    async def _amended(self, index: str, documents: Touched, position: int) -> list[bulk.Item]:
        """The items with a version above that of what they replace, and below that of what is to come."""
        versions: dict[str, int] = {}
        keys = list(documents)
        for start in range(0, len(keys), KEYS_ASKED_AT_ONCE_MAX):
            some = keys[start : start + KEYS_ASKED_AT_ONCE_MAX]
            with answering():
                answer = await self.client.mget(index=index, ids=some, source=False)
            versions |= {
                found["_id"]: found["_version"]
                for found in answer.body["docs"]
                if found.get("found")
            }
        return [
            bulk.Item(
                key,
                max(versions.get(key, 0), 2 * position) | 1,
                as_document(document),
                "external_gte",
            )
            for key, document in documents.items()
        ]

    async def _show(self, view: View, known: Known) -> None:
        """Let searches see what was written to this view, by whomever: once, if it is not known."""
        hidden = self._collections(view) if known.hidden is None else known.hidden
        if hidden:
            await self.indices.refresh(view, hidden)
        known.hidden = set()
        if known.recent is not None:
            known.recent = Recent(known.recent.fields)

    async def _present(self, view: View, known: Known) -> int:
        present = await self.indices.checkpoint(view)
        if present is None:
            raise NoSuchIndex(view.name)
        if present < (seen := known.position):
            known.see(present)
            raise CheckpointMoved(
                f"The view {view.name} went back from {seen} to {present}; read its checkpoint again.",
                view=view.name,
                position=present,
            )
        known.see(present)
        return present

    async def _tidy(self, view: View, known: Known) -> None:
        """Purge now and then. What goes wrong with it is no trouble of who applies changes."""
        if time.monotonic() - known.purged_at < PURGE_SECONDS:
            return
        known.purged_at = time.monotonic()
        try:
            await self.purge(view)
        except (AIGestionError, LookupError) as error:
            _log.warning("%s keeps its tombstones for now: %s", view.name, error)

    @asynccontextmanager
    async def _alone(self, view: View) -> AsyncIterator[Known]:
        known = self._views[view]
        async with known.writing:
            with _there(view):
                yield known

    def _collections(self, view: View) -> Mapping[str, Collection]:
        return collections_of(view.projection, self.mappings)


@contextmanager
def _there(view: View) -> Iterator[None]:
    try:
        yield
    except NoSuchIndex as error:
        raise CheckpointMoved(f"The view {view.name} is gone.", view=view.name) from error
