"""Errors as HTTP tells them: one table from category to status, RFC 9457 problem details for all.

400 is for what can be known to be wrong from the request alone: malformed, or against its schema.
409 and 422 are for what is wrong in the light of what was recorded before.
"""

import logging
import re
from http import HTTPStatus
from math import ceil
from typing import Any, NamedTuple

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException

from aigestion.kernel.errors import AIGestionError, Category

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

_CODES: dict[int, tuple[str, str]] = {
    400: ("malformed-request", "The request cannot be read."),
    404: ("not-found", "There is nothing at this path."),
    405: ("method-not-allowed", "This path does not take this method."),
    408: ("too-slow", "The body did not come in time."),
    415: ("unsupported-media-type", "The body is of a type this path does not take."),
}
"""Code and sentence of what the framework itself refuses."""

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


def told(request: Request[Any, Any, Any], error: Exception) -> Told:
    """What to tell of an error, whatever it is: a fault of ours is logged, and no word of it told."""
    match error:
        case AIGestionError() if error.category is not Category.INTERNAL:
            status = STATUS[error.category]
            found = Told(status, error.code, error.message, dict(error.details))
        case HTTPException() if error.status_code < 500:
            found = _of_framework(request, error)
        case OSError():  # an engine's connection broke under a query
            detail = "An engine does not answer; try again."
            found = Told(HTTPStatus.SERVICE_UNAVAILABLE, "engine-unavailable", detail, {})
            _log.warning("%s %s: %r", request.method, request.url.path, error)
        case _:
            found = _of_fault(request, error)
    return found


def retry_after_seconds(found: Told) -> int | None:
    """When it is worth another try; None if it is not."""
    if found.status not in _WORTH_ANOTHER_TRY:
        return None
    seconds: float = found.members.get("retry_after_seconds", RETRY_AFTER_SECONDS)
    return ceil(seconds)


def problem_of(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """The answer to an error, whatever it is."""
    found = told(request, error)
    headers: dict[str, str] = {}
    status, members = found.status, found.members
    if isinstance(error, HTTPException) and status < HTTPStatus.INTERNAL_SERVER_ERROR:
        headers.update(error.headers or {})
    if status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="aigestion"'
    if (seconds := retry_after_seconds(found)) is not None:
        headers["Retry-After"] = str(seconds)
    if status is not HTTPStatus.NOT_FOUND:
        members["instance"] = request.scope["path"]
    content = {
        "type": f"urn:aigestion:problem:{found.code}",
        "title": status.phrase,
        "status": int(status),
        "detail": found.detail,
        "code": found.code,
        **members,
    }
    return Response(
        msgspec.json.encode(content),
        status_code=status,
        media_type=PROBLEM_JSON,
        headers=headers,
    )


def _of_framework(request: Request[Any, Any, Any], error: HTTPException) -> Told:
    status = HTTPStatus(error.status_code)
    if isinstance(error, ValidationException):
        errors = bad_fields(request.route_handler, error)
        return Told(status, "invalid-input", "The request is not valid.", {"errors": errors})
    code, detail = _CODES.get(status, (status.phrase.lower().replace(" ", "-"), status.phrase))
    return Told(status, code, detail, {})


def _of_fault(request: Request[Any, Any, Any], error: Exception) -> Told:
    request_id = request.scope.get("request_id")
    _log.error(
        "%s %s failed",
        request.method,
        request.scope["path"],
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
