"""Documents: what a tenant's agents may quote."""

from uuid import NAMESPACE_URL, UUID, uuid5

import msgspec
from litestar import Router, delete, get, post
from litestar.params import FromPath

from aigestion.api.answers import (
    PAGE_HEADERS,
    PAGE_ITEMS_DEFAULT,
    POSITION_HEADER,
    READ_HEADERS,
    Answered,
    Cursor,
    IdempotencyKey,
    Limit,
    MinPosition,
    answered,
    problems,
    reading,
)
from aigestion.api.limits import CHARGE
from aigestion.api.request import ApiRequest, minted
from aigestion.api.v1.new_document import (
    BODY_BYTES_MAX,
    JsonOrUpload,
    NewDocument,
    read_new_document,
)
from aigestion.commands.knowledge.add_document import AddDocument
from aigestion.commands.knowledge.remove_document import RemoveDocument
from aigestion.kernel.context import Context
from aigestion.queries.answer import Page
from aigestion.queries.documents import Document, DocumentSummary
from aigestion.ratelimit.routes import Charge

BYTES_A_UNIT = 100 * 1024
"""A document costs by its size: each of its passages is embedded."""


class Added(msgspec.Struct, frozen=True):
    """The document is in the log."""

    document_id: UUID
    position: int


@post(
    "/",
    status_code=201,
    responses=problems(413, 415, 422),
    response_headers=[POSITION_HEADER],
    opt={CHARGE: Charge("expensive", bytes_a_unit=BYTES_A_UNIT)},
    operation_class=JsonOrUpload,
    request_max_body_size=BODY_BYTES_MAX,
    summary="Add a document",
)
async def add_document(
    request: ApiRequest, idempotency_key: IdempotencyKey = None
) -> Answered[Added]:
    """Add a text as JSON, or upload a UTF-8 file `.txt` or `.md`."""
    document = await read_new_document(request)
    context = await request.context(idempotency_key, document.model_dump_json().encode())
    document_id = _document_id(document, context)
    doors = request.doors
    command = AddDocument(
        document_id=document_id,
        title=document.title,
        media_type=document.media_type,
        source=document.source,
        text=document.text,
        content_hash=await doors.vault.keyed_hash(
            context.tenant, f"document:{document_id}", document.text
        ),
    )
    outcome = await doors.dispatcher.dispatch(command, context)
    return Answered(Added(document_id, outcome.position), outcome.position)


@get(
    "/",
    responses=reading(),
    response_headers=PAGE_HEADERS,
    summary="List documents",
)
async def list_documents(
    request: ApiRequest,
    limit: Limit = PAGE_ITEMS_DEFAULT,
    cursor: Cursor = None,
    min_position: MinPosition = 0,
) -> Answered[Page[DocumentSummary]]:
    """The tenant's documents, newest first."""
    return answered(
        await request.doors.documents.page(
            request.tenant, limit=limit, cursor=cursor, min_position=min_position
        )
    )


@get(
    "/{document_id:uuid}",
    responses=reading(404),
    response_headers=READ_HEADERS,
    summary="Read a document",
)
async def read_document(
    request: ApiRequest, document_id: FromPath[UUID], min_position: MinPosition = 0
) -> Answered[Document]:
    """A document with its passages, in order: a citation's `passage` is an index into them."""
    return answered(
        await request.doors.documents.document(
            request.tenant, document_id, min_position=min_position
        )
    )


@delete(
    "/{document_id:uuid}",
    status_code=204,
    responses=problems(404),
    response_headers=[POSITION_HEADER],
    summary="Remove a document",
)
async def remove_document(request: ApiRequest, document_id: FromPath[UUID]) -> Answered[None]:
    """From now on it is not found or quoted any more. What was said stays said. Again is no news."""
    context = await request.context(None)
    outcome = await request.doors.dispatcher.dispatch(RemoveDocument(document_id), context)
    return Answered(None, outcome.position)


def _document_id(document: NewDocument, context: Context) -> UUID:
    """A text from a known source replaces the one that is there."""
    if document.source is None:
        return minted(context, "document")
    return uuid5(NAMESPACE_URL, f"{context.tenant}/{document.source}")


documents = Router(
    "/documents",
    route_handlers=[add_document, list_documents, read_document, remove_document],
    tags=["Documents"],
)
