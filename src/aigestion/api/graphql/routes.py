"""`POST /graphql` answers, `GET /graphql` shows a page to ask from."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.exceptions import HTTPException
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIResponse, OpenAPIType, Schema
from litestar.openapi.spec import Operation as OpenAPIOperation
from litestar.params import JSONBody
from pydantic import Field

from aigestion.api.answers import POSITION, POSITION_HEADER, STALE, STALE_HEADER, problems
from aigestion.api.auth import Keys
from aigestion.api.body import Body, JsonObject
from aigestion.api.delivery import OpenStreams
from aigestion.api.errors import PROBLEM_JSON, Problem
from aigestion.api.following import Shown
from aigestion.api.graphql.asking import Asking
from aigestion.api.graphql.errors import told_errors
from aigestion.api.graphql.explorer import PAGE_HEADERS, explorer_page
from aigestion.api.graphql.frames import followed, last_frames, only, write
from aigestion.api.graphql.operation import Operation, Unusable
from aigestion.api.limits import CHARGE, Charging
from aigestion.api.openapi import OPEN
from aigestion.api.request import ApiRequest
from aigestion.api.sse import EventStream
from aigestion.kernel.errors import InvalidInput, ScopeMissing
from aigestion.queries.answer import invalid
from aigestion.ratelimit.routes import READ

PATH = "/graphql"
BODY_BYTES_MAX = 128 * 1024
FOLLOW_SCOPE = "events"
"""What a key needs to follow something, here as on the routes that stream."""
JSON = "application/json"
GRAPHQL_JSON = "application/graphql-response+json"
STREAM = "text/event-stream"


class GraphqlQuestion(Body):
    """A GraphQL request. One at a time: a list of them is refused."""

    query: str = Field(description="The document.")
    operation_name: str | None = Field(
        None, alias="operationName", description="Which of its operations, if there are several."
    )
    variables: JsonObject | None = None
    extensions: JsonObject | None = Field(None, description="Nothing is read from it.")


class GraphqlAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """An answer, or why there is none, or both: a field that was refused is null."""

    data: dict[str, Any] | msgspec.UnsetType | None = msgspec.UNSET
    """Not there if nothing was run."""
    errors: list[dict[str, Any]] | msgspec.UnsetType = msgspec.UNSET
    """Each with the code and the members of a problem under `extensions`."""
    extensions: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    """What it cost, and the position that all of it reflects."""


class _Streamed(Response[GraphqlAnswer]):
    """The answer as server-sent events."""

    def __init__(self, stream: EventStream) -> None:
        self._stream = stream

    def to_asgi_response(self, app: Any, request: Any, **_: Any) -> Any:
        return self._stream


@dataclass
class _OrStream(OpenAPIOperation):
    """Says of the answers in which forms they come."""

    def __post_init__(self) -> None:
        responses = self.responses or {}
        answer = _content(responses["200"])
        answer[GRAPHQL_JSON] = _content(responses["400"])[GRAPHQL_JSON] = answer[JSON]
        answer[STREAM] = OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING))


@post(
    PATH,
    status_code=200,
    opt={CHARGE: READ},
    operation_class=_OrStream,
    request_max_body_size=BODY_BYTES_MAX,
    responses=problems(413, 415),
    response_headers=[POSITION_HEADER, STALE_HEADER],
    summary="Ask in GraphQL",
    tags=["GraphQL"],
)
async def ask_graphql(
    request: ApiRequest, data: JSONBody[GraphqlQuestion]
) -> Response[GraphqlAnswer]:
    """Queries, and with `Accept: text/event-stream` subscriptions. Commands stay with the other routes.

    As `application/json` every answer is 200, and `errors` tells what was refused; with `Accept:
    application/graphql-response+json` a document that cannot be run is 400.
    """
    streams = request.accept.best_match([JSON, GRAPHQL_JSON, STREAM]) == STREAM
    if streams:
        open_streams: OpenStreams = request.app.state.streams
        open_streams.check()
    try:
        operation = Operation(data.query, data.operation_name, data.variables)
        _check_way(request, operation, streams)
    except Unusable as unusable:
        return _refused(request, streams, *unusable.errors)
    except (InvalidInput, ScopeMissing) as error:
        return _refused(request, streams, error)
    await _charge(request, operation)
    asking = Asking(request)
    if operation.follows:
        return _streamed(request, followed(request, operation, asking))
    result = await operation.result(asking)
    answer = GraphqlAnswer(
        data=result.data,
        errors=told_errors(request, result.errors) if result.errors else msgspec.UNSET,
        extensions=_extensions(operation, asking),
    )
    if streams:
        return _streamed(request, only(answer))
    return _json(request, answer, asking=asking)


@get(
    PATH,
    security=OPEN,
    media_type="text/html",
    responses={
        406: ResponseSpec(
            Problem,
            description="Only `POST` answers in another form.",
            media_type=PROBLEM_JSON,
            generate_examples=False,
        )
    },
    summary="Ask in GraphQL, from a page",
    tags=["GraphQL"],
)
async def graphql_page(request: ApiRequest) -> Response[str]:
    """A page to write operations and see their answers, with the schema beside it."""
    if request.accept.best_match(["text/html"]) is None:
        raise HTTPException(status_code=406)
    return Response(explorer_page(), media_type="text/html", headers=PAGE_HEADERS)


def _check_way(request: ApiRequest, operation: Operation, streams: bool) -> None:
    """A subscription needs a stream, and a key that may follow."""
    if operation.follows and FOLLOW_SCOPE not in request.auth.scopes:
        message = f"This key lacks the scope `{FOLLOW_SCOPE}`."
        raise ScopeMissing(message, scope=FOLLOW_SCOPE)
    if operation.follows and not streams:
        raise invalid("Accept", "must be text/event-stream for a subscription")


async def _charge(request: ApiRequest, operation: Operation) -> None:
    """What it costs beyond the one unit that each request is charged."""
    charging: Charging | None = request.app.state.charging
    if charging is not None and operation.cost.units > 1:
        caller = request.auth
        units = operation.cost.units - 1
        await charging.charge(request, caller.key.key_id, caller.tenant, cost=units)


def _refused(request: ApiRequest, streams: bool, *errors: Exception) -> Response[GraphqlAnswer]:
    answer = GraphqlAnswer(errors=told_errors(request, errors))
    if streams:
        return _streamed(request, only(answer))
    return _json(request, answer)


def _json(
    request: ApiRequest, answer: GraphqlAnswer, asking: Asking | None = None
) -> Response[GraphqlAnswer]:
    """The status says that nothing was run only to who knows that form (GraphQL over HTTP, 6.4)."""
    form = request.accept.best_match([JSON, GRAPHQL_JSON], JSON)
    headers = {}
    if asking is not None and asking.position is not None:
        headers[POSITION] = str(asking.position)
        if asking.stale:
            headers[STALE] = "true"
    run = answer.data is not msgspec.UNSET
    status = 200 if run or form == JSON else 400
    content = msgspec.json.encode(answer)
    return Response(content, status_code=status, media_type=form, headers=headers)  # type: ignore[arg-type]


def _streamed(request: ApiRequest, items: AsyncGenerator[Shown | None, None]) -> _Streamed:
    keys: Keys = request.app.state.api_keys
    stream = EventStream(
        items,
        0,
        request.doors.draining,
        request.app.state.streams,
        partial(keys.closed, request.auth.key),
        write=write,
        last=last_frames,
    )
    return _Streamed(stream)


def _extensions(operation: Operation, asking: Asking) -> dict[str, Any]:
    known = {} if asking.position is None else {"position": asking.position}
    return {"cost": operation.cost.total, **known}


def _content(answer: Any) -> dict[str, OpenAPIMediaType]:
    assert isinstance(answer, OpenAPIResponse)
    assert answer.content is not None
    return answer.content
