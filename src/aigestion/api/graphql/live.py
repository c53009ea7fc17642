"""The subscription: a conversation live, over the stream that the other route shows as server-sent events."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any
from uuid import UUID

import msgspec

from aigestion.api.following import Piece, follow, must_exist, shown_of
from aigestion.api.request import ApiRequest
from aigestion.api.v1.stream import check_room
from aigestion.events.recorded import Recorded


class Live(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation live: recorded events, and between them the pieces of a reply being written.

    Begin again with `after`, the last position you got, and it goes on without loss or repeats.
    """

    event: Recorded[Any] | None = None
    """What was recorded. The finished reply is one, of the type `agent.replied`."""
    piece: Piece | None = None
    """Part of a reply that is not recorded yet; gone when it is read."""


async def live(
    request: ApiRequest, *, conversation_id: UUID, after: int, min_position: int
) -> AsyncGenerator[Live, None]:
    """Raises what the route raises: `NotFound`, `Overloaded`, `ViewBehind`."""
    doors, tenant = request.doors, request.tenant
    await check_room(request, min_position)
    await must_exist(doors, tenant, conversation_id)
    shown = shown_of(conversation_id)
    async with aclosing(follow(doors, tenant, shown, after, conversation_id)) as items:
        async for item in items:
            if item is not None:
                recorded = isinstance(item.data, Recorded)
                yield Live(event=item.data) if recorded else Live(piece=item.data)
