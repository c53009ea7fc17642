"""The words of a dynamic consistency boundary: query, query item, append condition.

They mean what they mean in `eventsourcing.dcb.api`; an item may also be limited to one tenant.
"""

from typing import Self

import msgspec


class QueryItem(msgspec.Struct, frozen=True):
    """Matches an event whose type is one of `types` (or any, if empty) and that has all `tags`."""

    types: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    tenant: str | None = None


class Query(msgspec.Struct, frozen=True):
    """Matches what any of its items matches; no items match everything."""

    items: tuple[QueryItem, ...] = ()

    def scoped(self, tenant: str) -> Self:
        """The same question, asked of one tenant only."""
        items = [
            QueryItem(item.types, tuple([scoped_tag(tenant, tag) for tag in item.tags]), tenant)
            for item in self.items or (QueryItem(),)
        ]
        return type(self)(tuple(items))


EVERYTHING = Query()


class AppendCondition(msgspec.Struct, frozen=True):
    """Refuse the append if an event later than `after` matches the query."""

    fail_if_events_match: Query
    after: int = 0


def matching(*tags: str, types: tuple[str, ...] = ()) -> Query:
    """The query of one item: events that carry all these tags and have one of these types."""
    return Query((QueryItem(types, tags),))


def scoped_tag(tenant: str, tag: str) -> str:
    """A tag as the log stores it: no tag of one tenant ever equals one of another (law 9)."""
    return f"{tenant}/{tag}"


def unscoped_tag(tag: str) -> str:
    """A stored tag as people read it."""
    return tag.partition("/")[2]
