"""The page about the HTTP API, from its OpenAPI document."""

from collections.abc import Iterator
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any, cast

import msgspec
from prometheus_client import CollectorRegistry

from aigestion.api.app import create_app
from aigestion.api.doors import Doors
from aigestion.api.openapi import exact
from aigestion.reference.markdown import literal, page, section, table

_ALWAYS = (400, 401, 403, 429, 500, 503)
"""Any route may answer these; the page says so once."""
_METHODS = ("get", "post", "put", "patch", "delete")


def openapi() -> dict[str, Any]:
    """The document a running system serves at `/schema/openapi.json`, without made-up examples."""
    # Routes describe themselves without what is behind the doors.
    doors = cast(
        Doors, SimpleNamespace(keys=None, clock=None, limiter=None, metrics=CollectorRegistry())
    )
    described = exact(create_app(doors).openapi_schema.to_schema())
    document: dict[str, Any] = _without_examples(described)
    return document


def openapi_json() -> str:
    """The document as it is kept."""
    encoded = msgspec.json.encode(openapi(), order="deterministic")
    return msgspec.json.format(encoded, indent=2).decode() + "\n"


def http_page() -> str:
    """Every route with its parameters, its body and its answers."""
    document = openapi()
    intro = (
        "Send `Authorization: Bearer <api key>`. Errors are `application/problem+json`; their codes "
        "are [here](errors.md), and 400, 401, 403, 429, 500 and 503 may come from any route that needs a key. "
        "Machines read [openapi.json](openapi.json); a running system serves it with a page to try "
        "it out at `/schema`."
    )
    routes = list(_routes(document))
    overview = table(
        ["route", "needs", "does"],
        [(literal(route), _needs(operation), _summary(operation)) for route, operation in routes],
    )
    return page("HTTP API", intro, overview, *(_route(*route) for route in routes))


def _needs(operation: dict[str, Any]) -> str:
    """A key's scope, the operator, either, or nothing."""
    ways = [
        literal(scopes[0]) if scopes else scheme
        for way in operation["security"]
        for scheme, scopes in way.items()
    ]
    return " or ".join(ways) or "nothing"


def _routes(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, operations in sorted(document["paths"].items()):
        for method in _METHODS:
            if method in operations:
                yield f"{method.upper()} {path}", operations[method]


def _route(route: str, operation: dict[str, Any]) -> str:
    parameters = [
        (
            literal(one["name"]),
            one["in"],
            "required" if one.get("required") else "",
            one.get("description", ""),
        )
        for one in operation.get("parameters", ())
    ]
    bodies = operation.get("requestBody", {}).get("content", {})
    answers = [
        (literal(status), _shapes(answer.get("content", {})), _meaning(status, answer))
        for status, answer in sorted(operation["responses"].items())
        if int(status) not in _ALWAYS
    ]
    return section(
        route,
        operation.get("description") or _summary(operation),
        f"Body: {_shapes(bodies)}." if bodies else "",
        table(["parameter", "in", "", "meaning"], parameters) if parameters else "",
        table(["answer", "holds", "meaning"], answers),
    )


def _meaning(status: str, answer: dict[str, Any]) -> str:
    """What the route says of it; the words that HTTP has for it anyway are left out."""
    said = str(answer.get("description", ""))
    return "" if said == HTTPStatus(int(status)).description else said


def _summary(operation: dict[str, Any]) -> str:
    return str(operation.get("summary", ""))


def _shapes(content: dict[str, Any]) -> str:
    """`Transcript` as `application/json`; and so on."""
    return ", ".join(
        f"{literal(name)} as {literal(media_type)}"
        if (name := _name(media))
        else literal(media_type)
        for media_type, media in sorted(content.items())
    )


def _name(media: dict[str, Any]) -> str:
    """`Started`, or `ChatInteraction or VoiceInteraction`."""
    schema = media.get("schema", {})
    parts = schema.get("oneOf") or [schema]
    names = [str(one.get("$ref", "")).rpartition("/")[2] or one.get("title", "") for one in parts]
    return " or ".join(filter(None, names))


def _without_examples(node: Any) -> Any:
    """Made-up values differ from start to start; a kept document must not."""
    if isinstance(node, dict):
        kept = {name: _without_examples(value) for name, value in node.items()}
        kept.pop("examples", None)
        return kept
    if isinstance(node, list):
        return [_without_examples(one) for one in node]
    return node
