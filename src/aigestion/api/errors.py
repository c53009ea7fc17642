"""Errors as HTTP tells them: one table from category to status, RFC 9457 problem details for all.

400 is for what can be known to be wrong from the request alone: malformed, or against its schema.
409 and 422 are for what is wrong in the light of what was recorded before.
"""

import logging
import re
from http import HTTPStatus
from math import ceil
from typing import Any, NamedTuple, TypeAlias, cast

import msgspec
from litestar import Request, Response
from litestar.connection import ASGIConnection
from litestar.exceptions import HTTPException, ValidationException
from litestar.types import Message

from aigestion.kernel.errors import AIGestionError, Category

AnyConnection: TypeAlias = ASGIConnection[Any, Any, Any, Any]

PROBLEM_JSON = "application/problem+json"
RETRY_AFTER_SECONDS = 1

STATUS: dict[Category, HTTPStatus] = {
    Category.INVALID: HTTPStatus.BAD_REQUEST,
    Category.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    Category.FORBIDDEN: HTTPStatus.FORBIDDEN,
    Category.NOT_FOUND: HTTPStatus.NOT_FOUND,
    Category.CONFLICT: HTTPStatus.CONFLICT,
    Category.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Category.TOO_MUCH: HTTPStatus.TOO_MANY_REQUESTS,
    Category.MOVED_ON: HTTPStatus.PRECONDITION_FAILED,
    Category.UNPROCESSABLE: HTTPStatus.UNPROCESSABLE_ENTITY,
    Category.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    Category.INTERNAL: HTTPStatus.INTERNAL_SERVER_ERROR,
}

_WORTH_ANOTHER_TRY = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)

REFUSALS: dict[int, tuple[str, str]] = {
    400: ("malformed-request", "The request cannot be read."),
    404: ("not-found", "There is nothing at this path."),
    405: ("method-not-allowed", "This path does not take this method."),
    408: ("too-slow", "The request did not come in time."),
    415: ("unsupported-media-type", "The body is of a type this path does not take."),
    431: ("head-too-large", "The head of the request is too large."),
}
"""Code and sentence of what server and framework refuse, by status."""

_MISSING = re.compile("Missing required .* parameter '([^']*)'")
_log = logging.getLogger(__name__)


class FieldError(msgspec.Struct, frozen=True, omit_defaults=True):
    """One bad field of a body, a query string or a header."""

    field: str
    """Its path, e.g. `payload.text`; empty for the body as a whole."""
    message: str
    pointer: str | None = None
    """The same as a JSON pointer, where what the body names is at fault."""


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An error (RFC 9457). Some codes bring members of their own, named after what they hold."""

    type: str
    """`urn:aigestion:problem:<code>`."""
    title: str
    status: int
    detail: str
    """A sentence for a person."""
    code: str
    """Stable: what a program should look at."""
    instance: str | None = None
    """The path that was asked. A 404 has none: an id of another tenant and one that nobody has are
    answered alike, byte for byte."""
    errors: list[FieldError] | None = None
    """Every bad field, when the request is against its schema."""


class Told(NamedTuple):
    """What a caller is told of an error, in whatever form; `members` are the code's own."""

    status: HTTPStatus
    code: str
    detail: str
    members: dict[str, Any]


class ErrorAnswer(NamedTuple):
    """A problem as it is sent: its status, what goes into headers, and all its members."""

    status: HTTPStatus
    headers: dict[str, str]
    members: dict[str, Any]

    @property
    def body(self) -> bytes:
        return msgspec.json.encode(self.members)

    @property
    def all_headers(self) -> list[tuple[bytes, bytes]]:
        """Those of its body too, as a server takes them."""
        return [
            (b"content-type", PROBLEM_JSON.encode()),
            (b"content-length", b"%d" % len(self.body)),
            *((name.lower().encode(), value.encode()) for name, value in self.headers.items()),
        ]


def told_of(connection: AnyConnection, error: Exception) -> Told:
    """What to tell of an error, whatever it is: a fault of ours is logged, and no word of it told."""
    match error:
        case AIGestionError() if error.category is not Category.INTERNAL:
            return Told(STATUS[error.category], error.code, error.message, dict(error.details))
        case HTTPException() if error.status_code < 500:
            return _of_framework(connection, error)
        case OSError():  # an engine's connection broke under a query
            _log.warning("%s: %r", _asked(connection), error)
            detail = "An engine does not answer; try again."
            return Told(HTTPStatus.SERVICE_UNAVAILABLE, "engine-unavailable", detail, {})
        case _:
            return _of_fault(connection, error)


def retry_after_seconds(told: Told) -> int | None:
    """When it is worth another try; None if it is not."""
    if told.status not in _WORTH_ANOTHER_TRY:
        return None
    seconds: float = told.members.get("retry_after_seconds", RETRY_AFTER_SECONDS)
    return ceil(seconds)


def problem_of(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """The answer to an error, whatever it is."""
    answer = answer_to(request, error)
    return Response(
        answer.body, status_code=answer.status, media_type=PROBLEM_JSON, headers=answer.headers
    )


def answer_to(connection: AnyConnection, error: Exception) -> ErrorAnswer:
    """The same as a problem, for who made a request or sends over a socket."""
    told = told_of(connection, error)
    headers: dict[str, str] = {}
    if isinstance(error, HTTPException) and told.status < HTTPStatus.INTERNAL_SERVER_ERROR:
        headers.update(error.headers or {})
    return _answer(connection.scope["path"], told, headers)


def answer_by_status(path: str | None, status: HTTPStatus) -> ErrorAnswer:
    """What the framework refuses without a word of ours; the server, even before there is a path."""
    return _answer(path, _by_status(status), {})


def answer_messages(answer: ErrorAnswer, kind: str = "http.response") -> list[Message]:
    """What a server is told to send it."""
    start = {"type": f"{kind}.start", "status": int(answer.status), "headers": answer.all_headers}
    body = {"type": f"{kind}.body", "body": answer.body, "more_body": False}
    return cast(list[Message], [start, body])


def engine_silent(path: str) -> ErrorAnswer:
    """An answer cannot be had in the time that anybody may wait for it."""
    detail = (
        "An engine does not answer in time; what became of the request is not known. Try again."
    )
    return _answer(path, Told(HTTPStatus.SERVICE_UNAVAILABLE, "engine-unavailable", detail, {}), {})


def _answer(path: str | None, told: Told, headers: dict[str, str]) -> ErrorAnswer:
    if told.status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="aigestion"'
    if (seconds := retry_after_seconds(told)) is not None:
        headers["Retry-After"] = str(seconds)
    members = {
        "type": f"urn:aigestion:problem:{told.code}",
        "title": told.status.phrase,
        "status": int(told.status),
        "detail": told.detail,
        "code": told.code,
        **told.members,
    }
    if path is not None and told.status is not HTTPStatus.NOT_FOUND:
        members["instance"] = path
    return ErrorAnswer(told.status, headers, members)


def _by_status(status: HTTPStatus) -> Told:
    code, detail = REFUSALS.get(status, (status.phrase.lower().replace(" ", "-"), status.phrase))
    return Told(status, code, detail, {})


def _asked(connection: AnyConnection) -> str:
    return f"{connection.scope.get('method', 'WEBSOCKET')} {connection.scope['path']}"


def _of_framework(connection: AnyConnection, error: HTTPException) -> Told:
    status = HTTPStatus(error.status_code)
    if isinstance(error, ValidationException):
        errors = bad_fields(connection.route_handler, error)
        return Told(status, "invalid-input", "The request is not valid.", {"errors": errors})
    return _by_status(status)


def _of_fault(connection: AnyConnection, error: Exception) -> Told:
    request_id = connection.scope.get("request_id")
    _log.error(
        "%s failed",
        _asked(connection),
        exc_info=error,
        extra={"request_id": request_id},
    )
    detail = "Something went wrong on our side; the log tells it under this request id."
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    return Told(status, "internal-error", detail, {"request_id": request_id})


def bad_fields(route: Any, error: ValidationException) -> list[FieldError]:
    """Every bad parameter of a route, under the name the caller gave it."""
    if missing := _MISSING.match(error.detail):
        return [FieldError(missing[1], "is required")]
    parameters = route.parsed_fn_signature.parameters
    found = []
    for one in error.extra if isinstance(error.extra, list) else ():
        name = one.get("key", "")
        if name == "data":
            found.append(FieldError("", "a JSON body is required"))
            continue
        kwarg: Any = parameters[name].kwarg_definition if name in parameters else None
        found.append(FieldError(getattr(kwarg, "name", None) or name, one["message"]))
    return found or [FieldError("", error.detail)]
