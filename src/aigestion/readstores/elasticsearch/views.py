"""A view in Elasticsearch: an index a collection, one for its checkpoint, and names that lead to it."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from aigestion.kernel.errors import Misconfigured
from aigestion.readstores.elasticsearch.answering import answering
from aigestion.readstores.elasticsearch.collections import DELETED, Collection
from aigestion.readstores.port import View

if TYPE_CHECKING:
    from elasticsearch import AsyncElasticsearch

CHECKPOINT = "checkpoint"
TEMPLATE_PRIORITY = 500

_SETTINGS = {
    "number_of_shards": 1,
    "auto_expand_replicas": "0-1",
    "refresh_interval": "-1",  # who writes says when it is to be seen
}
_CHECKPOINT_MAPPING = {"dynamic": "strict", "properties": {"position": {"type": "long"}}}
NOT_DELETED = {"bool": {"must_not": {"exists": {"field": DELETED}}}}


class Indices:
    """The indices of one namespace, as views have them."""

    def __init__(self, client: "AsyncElasticsearch", namespace: str) -> None:
        self._client = client
        self.namespace = namespace
        self._protected = False

    def name(self, view: View, collection: str) -> str:
        """`aigestion-search_v1_g1-messages`."""
        return f"{self.namespace}-{view.name}-{collection}"

    def alias(self, projection: str, collection: str) -> str:
        """`aigestion-search-messages`: the collection of the view that serves."""
        return f"{self.namespace}-{projection}-{collection}"

    async def make(self, view: View, collections: Mapping[str, Collection]) -> None:
        """Idempotent. The checkpoint comes last: a crash in between leaves no view."""
        await self._protect()
        for collection in collections.values():
            await self._make(self.name(view, collection.name), collection.mapping)
        checkpoint = self.name(view, CHECKPOINT)
        await self._make(checkpoint, _CHECKPOINT_MAPPING)
        await self.move_checkpoint(view, 0)

    async def checkpoint(self, view: View) -> int | None:
        """None if there is no such view. `Unavailable`."""
        with answering():
            answer = await self._client.options(ignore_status=404).get(
                index=self.name(view, CHECKPOINT), id=CHECKPOINT
            )
        return answer.body["_source"]["position"] if answer.body.get("found") else None

    async def move_checkpoint(self, view: View, position: int) -> None:
        """Never back. `NoSuchIndex`, `Unavailable`."""
        with answering():
            await self._client.options(ignore_status=409).index(
                index=self.name(view, CHECKPOINT),
                id=CHECKPOINT,
                document={"position": position},
                version=position,
                version_type="external",
            )

    async def refresh(self, view: View, collections: Iterable[str]) -> None:
        """Let searches see what was written. `NoSuchIndex`, `Unavailable`."""
        names = [self.name(view, collection) for collection in collections]
        with answering():
            await self._client.indices.refresh(index=names)

    async def serve(self, view: View, collections: Mapping[str, Collection]) -> None:
        """Lead the aliases of the projection to this view, all in one step."""
        actions: list[dict[str, Any]] = []
        for name in collections:
            alias = self.alias(view.projection, name)
            former = f"{self.namespace}-{view.projection}_v*-{name}"
            actions.append({"remove": {"index": former, "alias": alias, "must_exist": False}})
            here = {"index": self.name(view, name), "alias": alias, "filter": NOT_DELETED}
            actions.append({"add": here})
        with answering():
            await self._client.indices.update_aliases(actions=actions)

    async def drop(self, view: View) -> None:
        """All at once, so that nothing half dropped is taken for a view. Idempotent."""
        with answering():
            found = await self._client.indices.get(
                index=self.name(view, "*"),
                filter_path="*.settings.index.uuid",
                allow_no_indices=True,
            )
            if found.body:
                await self._client.indices.delete(index=list(found.body), ignore_unavailable=True)

    async def _make(self, name: str, mapping: Mapping[str, Any]) -> None:
        from elasticsearch import BadRequestError

        with answering():
            try:
                await self._client.indices.create(index=name, mappings=mapping, settings=_SETTINGS)
            except BadRequestError as error:
                if error.error == "resource_already_exists_exception":
                    return
                raise Misconfigured(
                    f"Elasticsearch cannot make the index {name}: {error}"
                ) from error

    async def _protect(self) -> None:
        """No index of ours comes into being by being written to: its view may have been dropped."""
        if self._protected:
            return
        with answering():
            await self._client.indices.put_index_template(
                name=self.namespace,
                index_patterns=[f"{self.namespace}-*"],
                priority=TEMPLATE_PRIORITY,
                allow_auto_create=False,
                template={"mappings": {"dynamic": "strict"}},
            )
        self._protected = True
