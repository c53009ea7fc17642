"""Tenants, for whoever runs this installation: make one, list them."""

from typing import Annotated

import msgspec
from litestar import Router, get, post
from litestar.params import JSONBody
from pydantic import Field, StringConstraints

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
from aigestion.api.auth import require_key_or_operator
from aigestion.api.body import Body, Text
from aigestion.api.keys import mint_key
from aigestion.api.request import ApiRequest
from aigestion.commands.directory.create_tenant import TENANT_NAME, CreateTenant
from aigestion.commands.directory.issue_key import IssueKey
from aigestion.events.directory import SCOPES, KeyIssued
from aigestion.kernel.errors import Refused
from aigestion.queries.answer import Page
from aigestion.queries.directory import TenantRecord

TITLE_CHARS_MAX = 200


class NewTenant(Body):
    """A tenant to make."""

    tenant: Annotated[
        str,
        StringConstraints(pattern=TENANT_NAME),
        Field(description="Its name for ever: small letters, digits and -, a letter first."),
    ]
    title: Annotated[Text, Field(max_length=TITLE_CHARS_MAX)] | None = Field(
        None, description="What people call it; its name if not given."
    )


class Created(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant exists, and has a key with every scope."""

    tenant: str
    key_id: str
    key: str | None
    """The key itself, shown this once: null when the same request comes again."""
    position: int


@post(
    "/",
    status_code=201,
    responses=problems(409, 413, 415, 422),
    response_headers=[POSITION_HEADER],
    summary="Make a tenant",
)
async def create_tenant(
    request: ApiRequest, data: JSONBody[NewTenant], idempotency_key: IdempotencyKey = None
) -> Answered[Created]:
    """A tenant, and its first key. Refused if there is one of that name."""
    minted = mint_key()
    first = IssueKey(minted.key_id, minted.secret_hash, "first", SCOPES)
    command = CreateTenant(data.tenant, data.title or data.tenant, first)
    context = await request.operating_on(data.tenant, idempotency_key)
    outcome = await request.doors.dispatcher.dispatch(command, context)
    if not outcome.events:
        raise Refused(f"There is a tenant {data.tenant} already.")
    (issued,) = [one.data for one in outcome.events if isinstance(one.data, KeyIssued)]
    answer = Created(
        tenant=data.tenant,
        key_id=issued.key_id,
        key=minted.key if issued.key_id == minted.key_id else None,
        position=outcome.position,
    )
    return Answered(answer, outcome.position)


@get("/", responses=reading(), response_headers=PAGE_HEADERS, summary="List tenants")
async def list_tenants(
    request: ApiRequest,
    limit: Limit = PAGE_ITEMS_DEFAULT,
    cursor: Cursor = None,
    min_position: MinPosition = 0,
) -> Answered[Page[TenantRecord]]:
    """Every tenant of this installation, by name."""
    return answered(
        await request.doors.directory.tenants(limit=limit, cursor=cursor, min_position=min_position)
    )


tenants = Router(
    "/tenants",
    before_request=require_key_or_operator,
    route_handlers=[create_tenant, list_tenants],
    tags=["Tenants"],
)
