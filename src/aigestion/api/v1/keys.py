"""API keys of a tenant: issue one, list them, let one expire, revoke one."""

from contextlib import suppress
from datetime import datetime
from typing import Annotated, cast

import msgspec
from litestar import Router, delete, get, post
from litestar.params import FromPath, JSONBody
from pydantic import AwareDatetime, Field

from aigestion.api.answers import (
    PAGE_HEADERS,
    PAGE_ITEMS_DEFAULT,
    POSITION_HEADER,
    Answered,
    Cursor,
    IdempotencyKey,
    Limit,
    MinPosition,
    answered,
    problems,
    reading,
)
from aigestion.api.body import Body, Text
from aigestion.api.keys import is_key_id, mint_key
from aigestion.api.request import ApiRequest
from aigestion.commands.directory.issue_key import ExpireKey, IssueKey, RevokeKey
from aigestion.events.directory import SCOPES, KeyIssued, Scope, in_order
from aigestion.kernel.errors import NotFound, Unavailable, ViewBehind
from aigestion.queries.answer import Answer, Page, invalid
from aigestion.queries.keys import KeyState, KeySummary

NAME_CHARS_MAX = 100
EXPIRY_YEAR_MAX = 9_000
"""In UTC it must still be a year that every engine can tell."""


class NewKey(Body):
    """A key to issue."""

    name: Annotated[Text, Field(max_length=NAME_CHARS_MAX, description="What it is for.")]
    scopes: Annotated[
        list[Scope],
        Field(
            min_length=1,
            max_length=len(SCOPES),
            description="`read`: ask queries. `write`: give commands. `events`: read the log and follow "
            "streams. `admin`: keys and agents of the tenant. `agent`: answer as an agent that runs elsewhere.",
        ),
    ]
    expires_at: AwareDatetime | None = Field(None, description="Never, if not given.")


class Expiry(Body):
    """When a key is to expire."""

    expires_at: AwareDatetime


class Issued(msgspec.Struct, frozen=True, kw_only=True):
    """A key exists, and every process knows it."""

    key_id: str
    key: str | None
    """The key itself, shown this once: null when the same request comes again."""
    name: str
    scopes: tuple[str, ...]
    expires_at: datetime | None
    position: int


class Expiring(msgspec.Struct, frozen=True):
    """The key has an end."""

    key_id: str
    expires_at: datetime
    position: int


class Key(KeySummary, frozen=True, kw_only=True):
    """A key as lists show it."""

    state: KeyState


@post(
    "/",
    status_code=201,
    responses=problems(413, 415, 422),
    response_headers=[POSITION_HEADER],
    summary="Issue a key",
)
async def issue_key(
    request: ApiRequest, data: JSONBody[NewKey], idempotency_key: IdempotencyKey = None
) -> Answered[Issued]:
    """A key of this tenant with these scopes. Only its hash is kept: it cannot be shown again."""
    doors = request.doors
    _must_be_ahead(data.expires_at, doors.clock())
    minted = mint_key()
    command = IssueKey(
        minted.key_id, minted.secret_hash, data.name, in_order(data.scopes), data.expires_at
    )
    outcome = await doors.dispatcher.dispatch(command, await request.context(idempotency_key))
    (happened,) = outcome.events
    issued = cast(KeyIssued, happened.data)
    with suppress(ViewBehind, Unavailable):  # it is in the log, and will be known a little later
        await doors.keys.key(issued.key_id, min_position=outcome.position)
    answer = Issued(
        key_id=issued.key_id,
        key=minted.key if issued.key_id == minted.key_id else None,
        name=issued.name,
        scopes=issued.scopes,
        expires_at=issued.expires_at,
        position=outcome.position,
    )
    return Answered(answer, outcome.position)


@get("/", responses=reading(), response_headers=PAGE_HEADERS, summary="List keys")
async def list_keys(
    request: ApiRequest,
    limit: Limit = PAGE_ITEMS_DEFAULT,
    cursor: Cursor = None,
    min_position: MinPosition = 0,
) -> Answered[Page[Key]]:
    """The tenant's keys, newest first, the expired and the revoked too."""
    doors = request.doors
    found = await doors.keys.page(
        request.tenant, limit=limit, cursor=cursor, min_position=min_position
    )
    now = doors.clock()
    items = [
        Key(**msgspec.structs.asdict(one), state=one.state_at(now)) for one in found.data.items
    ]
    page = Page(items, found.data.next_cursor)
    return answered(Answer(found.position, page, found.stale))


@post(
    "/{key_id:str}/expire",
    status_code=200,
    responses=problems(404, 409, 413, 415, 422),
    response_headers=[POSITION_HEADER],
    summary="Let a key expire",
)
async def expire_key(
    request: ApiRequest,
    key_id: FromPath[str],
    data: JSONBody[Expiry],
    idempotency_key: IdempotencyKey = None,
) -> Answered[Expiring]:
    """Set the end of a key, or bring it forward: time to put another in its place. It is never put off."""
    _must_be_ahead(data.expires_at, request.doors.clock())
    command = ExpireKey(_checked_id(key_id), data.expires_at)
    context = await request.context(idempotency_key)
    outcome = await request.doors.dispatcher.dispatch(command, context)
    answer = Expiring(key_id, data.expires_at, outcome.position)
    return Answered(answer, outcome.position)


@delete(
    "/{key_id:str}",
    status_code=204,
    responses=problems(404),
    response_headers=[POSITION_HEADER],
    summary="Revoke a key",
)
async def revoke_key(request: ApiRequest, key_id: FromPath[str]) -> Answered[None]:
    """Within a second it opens nothing any more, on any process, and its streams end. Again is no news."""
    command = RevokeKey(_checked_id(key_id))
    outcome = await request.doors.dispatcher.dispatch(command, await request.context(None))
    return Answered(None, outcome.position)


def _checked_id(key_id: str) -> str:
    if not is_key_id(key_id):
        raise NotFound("There is no such key.")
    return key_id


def _must_be_ahead(expires_at: datetime | None, now: datetime) -> None:
    if expires_at is not None and not (now < expires_at and expires_at.year <= EXPIRY_YEAR_MAX):
        raise invalid("expires_at", f"must be in the future, and not after {EXPIRY_YEAR_MAX}")


keys = Router("/keys", route_handlers=[issue_key, list_keys, expire_key, revoke_key], tags=["Keys"])
