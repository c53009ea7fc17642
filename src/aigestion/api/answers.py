"""Answers: their position in a header, and the parameters and problems routes have in common."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Protocol, TypeVar

import msgspec
from litestar import Response
from litestar.datastructures import ResponseHeader
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import HeaderParameter, QueryParameter
from litestar.types import Receive, Scope, Send

from aigestion.api.conditional import entity_tag, has_it, keeping, next_link
from aigestion.api.errors import PROBLEM_JSON, Problem
from aigestion.api.picking import picked
from aigestion.queries.answer import BIGINT_MAX, CURSOR_CHARS_MAX, PAGE_ITEMS_MAX, Answer

POSITION = "Aigestion-Position"
STALE = "Aigestion-Stale"
PAGE_ITEMS_DEFAULT = 50
IDEMPOTENCY_KEY_CHARS_MAX = 255


class _MayBeStale(Protocol):
    """A body that says itself whether something may be missing in it."""

    @property
    def stale(self) -> bool: ...


T = TypeVar("T")
S = TypeVar("S", bound=_MayBeStale)

MinPosition = Annotated[
    int,
    QueryParameter(
        ge=0,
        le=BIGINT_MAX,
        description="Wait, briefly, until the answer reflects this position; 503 `view-behind` otherwise.",
    ),
]
Limit = Annotated[
    int, QueryParameter(ge=1, le=PAGE_ITEMS_MAX, description="How many items to answer at most.")
]
Cursor = Annotated[
    str | None,
    QueryParameter(max_length=CURSOR_CHARS_MAX, description="`next_cursor` of the page before."),
]
IdempotencyKey = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        min_length=1,
        max_length=IDEMPOTENCY_KEY_CHARS_MAX,
        pattern=r"^[\x20-\x7e]*$",
        description="Sent again with the same key, the same request gets the first answer again.",
    ),
]

POSITION_HEADER = ResponseHeader(
    name=POSITION,
    value=41,  # type: ignore[arg-type]  # so that its schema is an integer's
    description="The position of the log this answer reflects.",
    documentation_only=True,
)
STALE_HEADER = ResponseHeader(
    name=STALE,
    value="true",
    description="There only if events that belong to this answer wait in quarantine, as `stale` in it says.",
    documentation_only=True,
)
ETAG_HEADER = ResponseHeader(
    name="ETag",
    value='W/"6d1f0c…"',
    description="Sent back as `If-None-Match`, an answer that is still the same is 304 without a body.",
    documentation_only=True,
)
LINK_HEADER = ResponseHeader(
    name="Link",
    value='</v1/…?cursor=…>; rel="next"',
    description="The page behind this one, if there is one.",
    documentation_only=True,
)
READ_HEADERS = [POSITION_HEADER, STALE_HEADER, ETAG_HEADER]
PAGE_HEADERS = [*READ_HEADERS, LINK_HEADER]

_MEANINGS = {
    400: "Malformed, or against the schema: `errors` names every bad field.",
    401: "No API key, or one that opens nothing.",
    403: "`scope-missing`: the key lacks the scope that this path needs. `forbidden`: only the operator may.",
    404: "No such thing, or another tenant's.",
    409: "Against the rules.",
    412: "`version-moved`: it is not at the version that `If-Match` names; `version` is the present one.",
    413: "Larger than the limit that `limit_bytes` names.",
    415: "A body of another content type than this path takes.",
    422: "`idempotency-key-reused`: the same Idempotency-Key came with another request. "
    "`unusable`: `errors` names all that is not there. `unknown-name`: a report has no such column, "
    "filter or time zone; `errors` says what there is.",
    429: "`rate-limited`: there is room again after `Retry-After` seconds.",
    500: "A fault on our side.",
    503: "`view-behind` or `engine-unavailable`: try again after `Retry-After` seconds.",
}


def problems(*statuses: int) -> Mapping[int, ResponseSpec]:
    """What can go wrong, for the OpenAPI document; 400, 401, 403, 429, 500 and 503 always can."""
    return {
        status: ResponseSpec(
            Problem, description=_MEANINGS[status], media_type=PROBLEM_JSON, generate_examples=False
        )
        for status in sorted({400, 401, 403, 429, 500, 503, *statuses})
    }


def reading(*statuses: int) -> Mapping[int, ResponseSpec]:
    """What a GET that may be asked again can answer besides 200."""
    unchanged = ResponseSpec(None, description="Still what `If-None-Match` names.")
    return {304: unchanged, **problems(*statuses)}


class Answered(Response[T]):
    """JSON and its position. Lean on purpose: the framework's own answer costs more than a decision."""

    content_type: ClassVar[bytes] = b"application/json"

    def __init__(
        self,
        content: T,
        position: int,
        status: int | None = None,
        *,
        stale: bool = False,
        tag: str | None = None,
    ) -> None:
        """`tag`: the content's version, where it has one; also what `If-Match` of a change names."""
        self.content = content
        self.position = position
        self.status_code = status
        self.stale = stale
        self.tag = None if tag is None else b'"%b"' % tag.encode()

    def encoded(self) -> bytes:
        """The body."""
        return msgspec.json.encode(self.content)

    def to_asgi_response(
        self, app: Any, request: Any, *, status_code: int | None = None, **_: Any
    ) -> Any:
        status = self.status_code or status_code or 200
        if request.method == "GET":
            self.content = picked(request, self.content)
        body = b"" if self.content is None else self.encoded()
        headers = [(b"aigestion-position", b"%d" % self.position)]
        if self.stale:  # what is missing in it may come at any time, and with it no new position
            headers.append((b"aigestion-stale", b"true"))
        elif request.method == "GET":
            tag = self.tag or entity_tag(body)
            headers += keeping(tag)
            if has_it(request.headers.get("if-none-match"), tag):
                status, body = 304, b""
        elif self.tag is not None:
            headers.append((b"etag", self.tag))
        if body:
            headers += (
                (b"content-type", self.content_type),
                (b"content-length", b"%d" % len(body)),
            )
            if cursor := getattr(self.content, "next_cursor", None):
                headers.append(next_link(request.scope, cursor))

        async def send_all(_scope: Scope, _receive: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body, "more_body": False})

        return send_all


def answered(answer: Answer[S]) -> Answered[S]:
    """A query's answer; a stale one says so in header and body."""
    data: Any = answer.data
    if answer.stale:
        data = msgspec.structs.replace(data, stale=True)
    return Answered(data, answer.position, stale=answer.stale)
