"""One GraphQL request while it is run: its fields ask the routes' functions, a few at a time."""

import asyncio
from collections.abc import Mapping
from typing import Any

from litestar.handlers import HTTPRouteHandler

from aigestion.api.answers import Answered
from aigestion.api.graphql.fields import checked
from aigestion.api.request import ApiRequest

ASKED_AT_ONCE_MAX = 4
"""So that one document does not take every connection of a pool."""


class Asking:
    """The context that every field gets."""

    def __init__(self, request: ApiRequest) -> None:
        self.request = request
        self.position: int | None = None
        """What all of the answer reflects: the earliest of its parts' positions."""
        self.stale = False
        """Something may be missing in some part."""
        self._room = asyncio.Semaphore(ASKED_AT_ONCE_MAX)

    async def ask(self, route: HTTPRouteHandler, arguments: Mapping[str, Any]) -> Any:
        """What the route would answer."""
        async with self._room:
            values = checked(self.request, route, arguments)
            answer = await route.fn(**values)
        if not isinstance(answer, Answered):
            return answer
        known = answer.position if self.position is None else min(self.position, answer.position)
        self.position = known
        self.stale = self.stale or answer.stale
        return answer.content
