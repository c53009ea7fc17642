"""Errors as GraphQL tells them: the problems of the other routes, under `extensions`."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from graphql import GraphQLError, GraphQLSyntaxError
from strawberry.utils.str_converters import to_camel_case

from aigestion.api.errors import Told, retry_after_seconds, told_of
from aigestion.api.request import ApiRequest

MESSAGE_CHARS_MAX = 500
"""A message may quote what came in."""

GraphqlErrors = list[dict[str, Any]]


def told_errors(request: ApiRequest, errors: Sequence[Exception]) -> GraphqlErrors:
    """As they go into `errors` of an answer. A fault of ours is logged, and no word of it told."""
    return [_told_error(request, error) for error in errors]


def _told_error(request: ApiRequest, error: Exception) -> dict[str, Any]:
    where: dict[str, Any] = {}
    if isinstance(error, GraphQLError):
        if error.locations:
            where["locations"] = [one.formatted for one in error.locations]
        if error.path:
            where["path"] = error.path
        found = _of(request, error)
    else:
        found = told_of(request, error)
    message = found.detail
    if len(message) > MESSAGE_CHARS_MAX:
        message = message[:MESSAGE_CHARS_MAX] + "…"
    return {"message": message, **where, "extensions": _extensions(found)}


def _of(request: ApiRequest, error: GraphQLError) -> Told:
    """What is wrong with the document, or with what a field asked for."""
    if isinstance(error.original_error, Exception):
        return told_of(request, error.original_error)
    code = "malformed-request" if isinstance(error, GraphQLSyntaxError) else "invalid-input"
    return Told(HTTPStatus.BAD_REQUEST, code, error.message, {})


def _extensions(found: Told) -> dict[str, Any]:
    """The members of the problem; fields are called as they are here."""
    members: dict[str, Any] = msgspec.to_builtins(found.members)
    if "errors" in members:
        members["errors"] = [
            {**one, "field": to_camel_case(one["field"])} for one in members["errors"]
        ]
    if (seconds := retry_after_seconds(found)) is not None:
        members["retry_after_seconds"] = seconds
    return {"code": found.code, "status": int(found.status), **members}
