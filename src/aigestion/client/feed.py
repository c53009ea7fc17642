"""`GET /v1/events` as a subscriber reads it: pages of the log, waited for if the API is away."""

import asyncio
import logging
from typing import Any, Self

import httpx2
import msgspec

from aigestion.events.recorded import Recorded
from aigestion.kernel.errors import Forbidden, InvalidInput, Misconfigured, Unauthenticated

PAGE_EVENTS = 1_000
TIMEOUT_SECONDS = 30.0
RETRY_SECONDS_MIN, RETRY_SECONDS_MAX = 0.2, 10.0
_AGAIN = (408, 429)
_REFUSALS = {401: Unauthenticated, 403: Forbidden}

_log = logging.getLogger(__name__)


class Page(msgspec.Struct, frozen=True):
    """Some events in order of position; the next page is the one after `next_after`."""

    items: list[Recorded[Any]]
    next_after: int

    @property
    def is_full(self) -> bool:
        """Whether there may be more."""
        return len(self.items) == PAGE_EVENTS


class Feed:
    """One tenant's events over HTTP."""

    def __init__(self, http_url: str, key: str, tenant: str) -> None:
        self._tenant = tenant
        self._http = httpx2.AsyncClient(
            base_url=http_url,
            headers={"Authorization": f"Bearer {key}"},
            timeout=TIMEOUT_SECONDS,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._http.aclose()

    async def page(self, after: int, limit: int = PAGE_EVENTS) -> Page:
        """Events later than `after`; tries again as long as the API is away or busy.

        Raises `Unauthenticated`, `Forbidden`, `InvalidInput` for what it refuses, and
        `Misconfigured` for a key of another tenant.
        """
        pause = RETRY_SECONDS_MIN
        while True:
            try:
                answer = await self._http.get("/v1/events", params={"after": after, "limit": limit})
            except httpx2.TransportError as error:
                _log.info("the feed does not answer: %r", error)
            else:
                if answer.is_success:
                    return self._checked(msgspec.json.decode(answer.content, type=Page))
                if answer.status_code < 500 and answer.status_code not in _AGAIN:
                    refusal = _REFUSALS.get(answer.status_code, InvalidInput)
                    raise refusal(f"{answer.url} answered {answer.status_code}: {answer.text}")
            await asyncio.sleep(pause)
            pause = min(2 * pause, RETRY_SECONDS_MAX)

    def _checked(self, page: Page) -> Page:
        if any(event.tenant != self._tenant for event in page.items):
            raise Misconfigured(
                f"The API key is not of {self._tenant}, whose events the credential reads."
            )
        return page
