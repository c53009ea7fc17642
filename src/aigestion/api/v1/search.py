"""Full-text search over messages and documents."""

from typing import Annotated
from uuid import UUID

from litestar import get
from litestar.params import QueryParameter

from aigestion.api.answers import (
    PAGE_HEADERS,
    Answered,
    Cursor,
    Limit,
    MinPosition,
    answered,
    reading,
)
from aigestion.api.limits import CHARGE
from aigestion.api.parameters import checked_text
from aigestion.api.request import ApiRequest
from aigestion.queries.answer import Page
from aigestion.queries.search import QUERY_CHARS_MAX, Hit, HitKind
from aigestion.ratelimit.routes import Charge

HITS_DEFAULT = 20


@get(
    "/search",
    opt={CHARGE: Charge("read", cost=5)},
    responses=reading(),
    response_headers=PAGE_HEADERS,
    summary="Search messages and documents",
    tags=["Search"],
)
async def search(
    request: ApiRequest,
    q: Annotated[
        str,
        QueryParameter(
            min_length=1,
            max_length=QUERY_CHARS_MAX,
            description='Words, "a phrase", or, -without.',
        ),
    ],
    kind: Annotated[HitKind | None, QueryParameter(description="Only hits of this kind.")] = None,
    conversation_id: Annotated[
        UUID | None, QueryParameter(description="Only messages of this conversation.")
    ] = None,
    limit: Limit = HITS_DEFAULT,
    cursor: Cursor = None,
    min_position: MinPosition = 0,
) -> Answered[Page[Hit]]:
    """The best hits first; `highlight` is HTML with the matches in `<mark>`, everything else escaped.

    A message is what was said, and what a user did: the action's name and its properties.
    """
    return answered(
        await request.doors.search.search(
            request.tenant,
            checked_text("q", q),
            kind=kind,
            conversation_id=conversation_id,
            limit=limit,
            cursor=cursor,
            min_position=min_position,
        )
    )
